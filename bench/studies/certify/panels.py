"""Panels side by side on one figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.pages.figures import as_files, inline
from bench.pages.style import CARD

HEIGHT = 1.95  # inches, of a panel's axes
_WIDTH, _ABOVE, _BELOW = 3.6, 0.35, 0.45
_COLUMNS = 3


def side_by_side(
    draws: Sequence[Callable[[Axes], None]], title: str, stem: str, *, foot: float = 0.0
) -> tuple[tuple[str, ...], dict[str, bytes]]:
    """An SVG for each panel, and the files of all panels together by name; within ``figure_style``.

    Args:
        draws: each draws one panel on its axes; at least one.
        title: written above all panels in the files.
        stem: name of the files.
        foot: inches kept free below the labels of each panel, for a legend.
    """
    panels = (inline(_sheet([draw], "", foot), f"{stem}-{number}") for number, draw in enumerate(draws))
    return tuple(panels), as_files(_sheet(draws, title, foot), stem)


def _sheet(draws: Sequence[Callable[[Axes], None]], title: str, foot: float) -> Figure:
    """A figure with the panels in rows of three."""
    columns = min(_COLUMNS, len(draws))
    rows, head = -(-len(draws) // columns), 0.35 if title else 0.0
    row = _ABOVE + HEIGHT + _BELOW + foot
    width, height = columns * _WIDTH, rows * row + head
    figure = Figure(figsize=(width, height), facecolor=CARD)
    for number, draw in enumerate(draws):
        left = number % columns * _WIDTH + 0.62
        bottom = height - head - (number // columns + 1) * row + _BELOW + foot
        box = (left / width, bottom / height, (_WIDTH - 0.75) / width, HEIGHT / height)
        draw(figure.add_axes(box))
    if title:
        figure.text(
            0.1 / width, 1 - 0.1 / height, " ".join(title.split()), va="top", fontsize=9, weight="bold"
        )
    return figure
