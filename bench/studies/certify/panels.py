"""Panels side by side on one figure."""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.pages.style import CARD

HEIGHT = 1.95  # inches, of a panel's axes
_WIDTH, _ABOVE, _BELOW = 3.6, 0.35, 0.45
_COLUMNS = 3


def sheet(count: int, draw: Callable[[Axes, int], None], title: str = "", *, foot: float = 0.0) -> Figure:
    """A figure of ``count`` panels in rows of three, with ``foot`` inches below each for a legend.

    Args:
        count: number of panels, at least 1.
        draw: draws the panel of a number, from 0, on its axes.
        title: written above all panels.
        foot: inches kept free below the labels of each panel.
    """
    columns = min(_COLUMNS, count)
    rows, head = -(-count // columns), 0.35 if title else 0.0
    row = _ABOVE + HEIGHT + _BELOW + foot
    width, height = columns * _WIDTH, rows * row + head
    figure = Figure(figsize=(width, height), facecolor=CARD)
    for number in range(count):
        left = number % columns * _WIDTH + 0.62
        bottom = height - head - (number // columns + 1) * row + _BELOW + foot
        box = (left / width, bottom / height, (_WIDTH - 0.75) / width, HEIGHT / height)
        draw(figure.add_axes(box), number)
    if title:
        figure.text(
            0.1 / width, 1 - 0.1 / height, " ".join(title.split()), va="top", fontsize=9, weight="bold"
        )
    return figure
