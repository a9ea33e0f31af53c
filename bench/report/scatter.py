"""Clean against robust accuracy: one numbered marker for each model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd
import seaborn as sns

from bench.report.style import CARD, INK, MUTED, Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.ranking import Standing

_SMALLEST, _LARGEST = 16, 150  # marker areas in points²
_LABEL = (11.0, 8.5)  # room of a two-digit number, in points

Point = tuple[float, float]


def draw_scatter(axes: Axes, lines: Sequence[Standing], styles: dict[str, Style]) -> None:
    """Draw markers with 95 % intervals; their area grows with the number of parameters."""
    for line in lines:
        clean, robust = line.clean, line.mean_worst
        colour = styles[line.name].colour
        axes.plot([100 * clean.lo, 100 * clean.hi], [100 * robust.value] * 2, color=colour, lw=0.8, alpha=0.4)
        axes.plot(
            [100 * clean.value] * 2, [100 * robust.lo, 100 * robust.hi], color=colour, lw=0.8, alpha=0.4
        )
    largest = max(line.result.info.parameters for line in lines) or 1
    sizes = [_SMALLEST + (_LARGEST - _SMALLEST) * x.result.info.parameters / largest for x in lines]
    points = [(100 * line.clean.value, 100 * line.mean_worst.value) for line in lines]
    names = [line.name for line in lines]
    sns.scatterplot(
        data=pd.DataFrame(points, columns=["clean", "robust"]).assign(model=names),
        x="clean",
        y="robust",
        hue="model",
        style="model",
        palette={name: styles[name].colour for name in names},
        markers={name: styles[name].marker for name in names},
        s=sizes,
        edgecolor=CARD,
        linewidth=0.8,
        alpha=0.9,
        legend=False,
        zorder=3,
        ax=axes,
    )
    axes.set_xlabel("clean accuracy, %", fontsize=8)
    axes.set_ylabel("mean worst-case robust accuracy, %", fontsize=8)
    axes.tick_params(labelsize=7.5, pad=2)
    _limit(axes)
    number_points(axes, points, sizes, range(1, len(points) + 1))


def _limit(axes: Axes) -> None:
    """Leave room around the intervals, but never below 0 % or far above 100 %."""
    for low, high, setter in ((*axes.get_xlim(), axes.set_xlim), (*axes.get_ylim(), axes.set_ylim)):
        room = max(0.04 * (high - low), 1.0)
        setter(max(low - room, -1.5), min(high + room, 101.5))


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


def draw_key(figure: Figure, names: Sequence[str], left: float, top: float, step: float) -> None:
    """The names behind the numbers, beside the axes; positions are shares of the figure."""
    for i, name in enumerate(names):
        figure.text(left + 0.03, top - i * step, str(i + 1), fontsize=7.5, ha="right", va="top", color=MUTED)
        figure.text(left + 0.04, top - i * step, name, fontsize=7.5, va="top")
