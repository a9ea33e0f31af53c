"""Numbers beside the markers of a figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from bench.pages.style import INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_LABEL = (11.0, 8.5)  # room of a two-digit number, in points
Point = tuple[float, float]


def number_points(
    axes: Axes, points: Sequence[Point], sizes: Sequence[float], numbers: Sequence[int]
) -> None:
    """Put each number beside its marker of an area in points², where it meets the fewest markers and numbers."""
    scale = 72 / axes.figure.dpi
    places = [tuple(scale * axes.transData.transform(point)) for point in points]
    radii = [math.sqrt(size) / 2 for size in sizes]
    taken: list[Point] = []
    for i, (place, radius) in enumerate(zip(places, radii, strict=True)):
        others = [(p, r) for j, (p, r) in enumerate(zip(places, radii, strict=True)) if j != i]
        best = min(_spots(place, radius), key=partial(_crowding, taken=tuple(taken), others=others))
        taken.append(best)
        axes.annotate(
            str(numbers[i]),
            points[i],
            (best[0] - place[0], best[1] - place[1]),
            textcoords="offset points",
            arrowprops={"arrowstyle": "-", "color": MUTED, "lw": 0.5, "shrinkA": 3, "shrinkB": 0},
            ha="center",
            va="center",
            fontsize=7.5,
            color=INK,
            zorder=4,
        )


def _spots(place: Point, radius: float) -> list[Point]:
    """Places around a marker, the upper right first, then farther out."""
    turns = (1, 7, 3, 5, 0, 2, 4, 6)
    return [
        (place[0] + reach * math.cos(turn * math.pi / 4), place[1] + reach * math.sin(turn * math.pi / 4))
        for reach in (radius + 5, radius + 11, radius + 18)
        for turn in turns
    ]


def _crowding(spot: Point, taken: Sequence[Point], others: Sequence[tuple[Point, float]]) -> float:
    """How much a number here would cover, or seem to belong to: numbers weigh more than markers."""
    width, height = _LABEL
    numbers = sum(abs(spot[0] - x) < width and abs(spot[1] - y) < height for x, y in taken)
    markers = sum(max(0.0, 1 - (math.dist(spot, p) - r) / width) for p, r in others)
    return 3 * numbers + markers
