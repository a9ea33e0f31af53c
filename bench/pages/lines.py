"""Draws lines of models with their intervals, and others in grey behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from bench.numbers.stats import Share
from bench.pages.marks import mark, value_text
from bench.pages.style import MUTED, Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Points = Sequence[tuple[float, Share]]


def draw_lines(
    axes: Axes,
    own: Mapping[str, Points],
    behind: Mapping[str, Points],
    styles: Mapping[str, Style],
    where: Callable[[float], str],
) -> None:
    """Draws accuracies in percent with their 95 % bands.

    Args:
        axes: to draw on.
        own: points by model, from left to right.
        behind: those that are drawn in grey.
        styles: of the models of ``own``.
        where: name of a position on the axis, as ``ε 0.1``.
    """
    for name, points in behind.items():
        (grey,) = axes.plot(*_percents(points), color=MUTED, linewidth=0.6, alpha=0.3, zorder=1)
        mark(grey, name, part="behind")
    for name, points in own.items():
        style = styles[name]
        at, accuracy = _percents(points)
        lo, hi = ([100 * getattr(share, end) for _, share in points] for end in ("lo", "hi"))
        mark(axes.fill_between(at, lo, hi, color=style.colour, alpha=0.13, linewidth=0), name, part="band")
        (line,) = axes.plot(
            at,
            accuracy,
            color=style.colour,
            linestyle=(0, style.dash),
            marker=style.marker,
            markersize=4,
            markeredgewidth=0,
            linewidth=1.5,
        )
        mark(line, name, [value_text(where(x), share) for x, share in points])


def _percents(points: Iterable[tuple[float, Share]]) -> tuple[list[float], list[float]]:
    pairs = [(at, 100 * share.value) for at, share in points]
    return [at for at, _ in pairs], [value for _, value in pairs]
