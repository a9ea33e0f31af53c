"""Clean against robust accuracy: one named marker for each model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.pages.marks import mark, value_text
from bench.pages.named import name_points
from bench.pages.style import CARD, Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bench.studies.robustness.ranking import Standing

_SMALLEST, _LARGEST = 16, 150  # marker areas in points²


def draw_scatter(axes: Axes, lines: Sequence[Standing], styles: dict[str, Style]) -> None:
    """Draw markers with 95 % intervals and names; their area grows with the number of parameters."""
    largest = max(line.result.info.parameters for line in lines) or 1
    points = [(100 * line.clean.value, 100 * line.mean_worst.value) for line in lines]
    for line, (across, up) in zip(lines, points, strict=True):
        style, clean, robust = styles[line.name], line.clean, line.mean_worst
        whisker = {"color": style.colour, "lw": 0.8, "alpha": 0.4}
        for bar in (
            *axes.plot([100 * clean.lo, 100 * clean.hi], [up] * 2, **whisker),
            *axes.plot([across] * 2, [100 * robust.lo, 100 * robust.hi], **whisker),
        ):
            mark(bar, line.name)
        size = _SMALLEST + (_LARGEST - _SMALLEST) * line.result.info.parameters / largest
        dot = axes.scatter(
            [across],
            [up],
            s=size,
            color=style.colour,
            marker=style.marker,
            edgecolor=CARD,
            linewidth=0.8,
            alpha=0.9,
            zorder=3,
        )
        mark(
            dot,
            line.name,
            [f"{value_text('clean', clean)}; {value_text('mean worst case', robust)}"],
            "point",
        )
    axes.set_xlabel("clean accuracy, %", fontsize=8)
    axes.set_ylabel("mean worst-case robust accuracy, %", fontsize=8)
    axes.tick_params(labelsize=7.5, pad=2)
    _limit(axes)
    name_points(axes, points, [line.name for line in lines])


def _limit(axes: Axes) -> None:
    """Leave room around the intervals, but never below 0 % or far above 100 %."""
    for low, high, setter in ((*axes.get_xlim(), axes.set_xlim), (*axes.get_ylim(), axes.set_ylim)):
        room = max(0.04 * (high - low), 1.0)
        setter(max(low - room, -1.5), min(high + room, 101.5))
