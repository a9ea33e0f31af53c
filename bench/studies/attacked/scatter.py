"""Clean against robust accuracy: one numbered marker for each model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
import seaborn as sns

from bench.pages.numbered import number_points
from bench.pages.style import CARD, MUTED, Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.studies.robustness.ranking import Standing

_SMALLEST, _LARGEST = 16, 150  # marker areas in points²


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


def draw_key(figure: Figure, names: Sequence[str], left: float, top: float, step: float) -> None:
    """The names behind the numbers, beside the axes; positions are shares of the figure."""
    for i, name in enumerate(names):
        figure.text(left + 0.03, top - i * step, str(i + 1), fontsize=7.5, ha="right", va="top", color=MUTED)
        figure.text(left + 0.04, top - i * step, name, fontsize=7.5, va="top")
