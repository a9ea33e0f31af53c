"""Writes the names of a figure's markers in a column beside the axes, each with a line to its marker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.pages.format import figure_label
from bench.pages.marks import mark
from bench.pages.style import LINE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMES = 1.75  # inches that the column takes
_STEP = 8.6  # points from one name to the next
_GAP = 10.0  # points between axes and names
_SIZE = 7.0
Point = tuple[float, float]


def name_points(
    axes: Axes, points: Sequence[Point], names: Sequence[str], labels: Sequence[str] | None = None
) -> None:
    """Writes names to the right of the axes, from top to bottom in the order of the markers, without overlap.

    Args:
        axes: whose limits are set.
        points: of the markers, in data.
        names: of the models.
        labels: texts to write; the names by default.
    """
    scale = 72 / axes.figure.dpi
    box = axes.get_window_extent()
    heights = [scale * (axes.transData.transform(point)[1] - box.y0) for point in points]
    order = sorted(range(len(points)), key=lambda i: (-heights[i], -points[i][0]))
    places = spread([heights[i] for i in order], _STEP, scale * box.height)
    for i, place in zip(order, places, strict=True):
        text = axes.annotate(
            figure_label((labels or names)[i]),
            points[i],
            (scale * box.width + _GAP, place),
            textcoords="axes points",
            arrowprops={
                "arrowstyle": "-",
                "color": LINE,
                "lw": 0.6,
                "shrinkA": 1,
                "shrinkB": 2.5,
                "zorder": 1,
            },
            ha="left",
            va="center",
            fontsize=_SIZE,
            annotation_clip=False,
        )
        mark(text, names[i], part="text")
        if text.arrow_patch is not None:
            mark(text.arrow_patch, names[i], part="leader")


def spread(heights: Sequence[float], step: float, top: float) -> list[float]:
    """Heights moved as little as possible so that neighbours are a step apart.

    Args:
        heights: descending.
        step: smallest distance of neighbours.
        top: they are from 0 to here if there is room for all, else as far below 0 as needed.

    Returns:
        As many heights, descending.
    """
    blocks: list[list[float]] = []  # [mean of height + place · step, how many]
    for i, height in enumerate(heights):
        blocks.append([height + i * step, 1])
        while len(blocks) > 1 and blocks[-2][0] < blocks[-1][0]:
            mean, count = blocks.pop()
            other, more = blocks.pop()
            blocks.append([(mean * count + other * more) / (count + more), count + more])
    free = [mean for mean, count in blocks for _ in range(int(count))]
    room = max((len(heights) - 1) * step, 0)
    return [min(max(mean, room), max(top, room)) - i * step for i, mean in enumerate(free)]
