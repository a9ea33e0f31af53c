"""Accuracy against ε: one panel for all models if they are few, else one for each architecture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.numbers.eps import eps_texts
from bench.numbers.stats import Share, wilson
from bench.pages.figures import name_lines
from bench.pages.format import figure_label, norm_text
from bench.pages.lines import draw_lines
from bench.pages.style import FEW, Style, family

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bench.attacks import Request
    from bench.studies.robustness.ranking import Standing
    from bench.studies.robustness.results import Results

_LONGEST_TITLE = 40  # the last ten characters fit in small type
_TICK_CHARACTER, _TICK_GAP = 0.025, 0.03  # shares of an axis


@dataclass(frozen=True, slots=True)
class Line:
    """One model's accuracy, from ε = 0 (clean) through the grid."""

    name: str
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class CurvePanel:
    """The models a panel shows in colour, and the others in grey behind them."""

    title: str
    eps: tuple[float, ...]
    norm: str
    lines: tuple[Line, ...]
    others: tuple[Line, ...]


def panels(
    results: Results, lines: Sequence[Standing], request: Request | None, attack: str
) -> list[CurvePanel]:
    """The panels of one attack: one named after it, or architectures in the order of their best model.

    Args:
        results: what was measured.
        lines: its ranked table.
        request: the attack; ``None`` for the worst case over all, which only ranked models have in common.
        attack: its name.
    """
    grid = results.setting.eps
    eps = grid if grid[0] == 0 else (0.0, *grid)
    measured = [
        Line(line.name, _shares(line, request, grid))
        for line in lines
        if (line.rank is not None if request is None else request in line.result.attack_set)
    ]
    few = len(lines) <= FEW
    groups = dict.fromkeys(attack if few else family(line.name) for line in measured)
    inside = {group: [x for x in measured if few or family(x.name) == group] for group in groups}
    return [
        CurvePanel(group, eps, results.setting.norm, tuple(own), tuple(x for x in measured if x not in own))
        for group, own in inside.items()
    ]


def _shares(line: Standing, request: Request | None, grid: Sequence[float]) -> tuple[Share, ...]:
    model, attacked = line.result, line.worst
    if request is not None:
        standing = {curve.request: curve.standing for curve in model.curves}
        attacked = tuple(wilson(int(row.sum()), len(row)) for row in standing[request])
    if grid[0] == 0:
        return attacked
    return (wilson(int(model.clean.correct.sum()), len(model.clean.correct)), *attacked)


def draw_panel(axes: Axes, panel: CurvePanel, styles: dict[str, Style]) -> None:
    """Draw lines with their 95 % bands, and below them the names."""
    texts = dict(zip(panel.eps, eps_texts(panel.eps), strict=True))
    own, behind = (
        {line.name: list(zip(panel.eps, line.shares, strict=True)) for line in lines}
        for lines in (panel.lines, panel.others)
    )
    draw_lines(axes, own, behind, styles, lambda eps: f"ε {texts[eps]}" if eps else "clean")
    _dress(axes, panel)
    name_lines(axes, list(own), styles, below=0.225)


def _dress(axes: Axes, panel: CurvePanel) -> None:
    """Title, axes and ticks; of a long ε grid only some ticks get a text."""
    title = figure_label(panel.title, _LONGEST_TITLE)
    size = 9 if len(title) <= _LONGEST_TITLE - 10 else 7.5
    axes.set_title(title, loc="left", fontsize=size, weight="bold", pad=6)
    axes.set_xlabel(f"ε ({norm_text(panel.norm)})", fontsize=7.5, labelpad=1)
    axes.set_ylabel("accuracy, %", fontsize=7.5, labelpad=2)
    axes.set_xticks(panel.eps, _tick_texts(panel.eps))
    axes.set_yticks((0, 25, 50, 75, 100))
    axes.tick_params(labelsize=7.5, pad=2)
    last = panel.eps[-1] or 1.0
    axes.set_xlim(-0.02 * last, 1.03 * last)
    axes.set_ylim(-2, 103)
    axes.grid(visible=False, axis="x")


def _tick_texts(eps: Sequence[float]) -> list[str]:
    """The texts of an ε grid, left out where the one to the right or the 0 leaves no room."""
    texts = list(eps_texts(eps))
    free = float("inf")
    for i in range(len(eps) - 1, 0, -1):
        half = eps[-1] * (_TICK_GAP + _TICK_CHARACTER * len(texts[i])) / 2
        if eps[i] + half > free or eps[i] - half < eps[-1] * _TICK_CHARACTER:
            texts[i] = ""
        else:
            free = eps[i] - half
    return texts
