"""The grid of an audit: a row for each model, a column for each check, a sign and a colour for each outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.path import Path

from bench.pages.figures import as_files, figure_style, inline
from bench.pages.format import VERDICTS, figure_label
from bench.pages.style import CARD, LINE, MUTED, RIGHT, WARN, WRONG
from bench.studies.audit.section import KINDS, AuditBlock

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bench.studies.audit import Check

_CELL, _GAP, _EDGE = 0.28, 0.14, 0.025  # inches; the gap is between kinds of checks
_SIGN = 0.112
_NAMES, _VERDICT = 2.3, 1.4
_HEAD, _LEGEND, _TITLE = 0.52, 0.36, 0.4

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """How an outcome is drawn: the ground of its cell, the strokes of its sign, and its name in the legend.

    Strokes are in a square from −1 to 1.
    """

    ground: str
    opacity: float
    ink: str
    strokes: tuple[tuple[Point, ...], ...]
    about: str


OUTCOMES = {
    "pass": CheckOutcome("#009e73", 0.15, RIGHT, (((-0.8, -0.1), (-0.2, -0.7), (0.8, 0.7)),), "passed"),
    "warn": CheckOutcome(
        "#e69f00", 1.0, "#1b1b1b", (((0, 1.0), (0, -0.3)), ((0, -0.7), (0, -1.0))), "flagged"
    ),
    "fail": CheckOutcome(
        "#c0392b", 1.0, "#fefefe", (((-0.7, -0.7), (0.7, 0.7)), ((-0.7, 0.7), (0.7, -0.7))), "failed, fatal"
    ),
    "skip": CheckOutcome(LINE, 0.45, MUTED, (((-0.4, 0), (0.4, 0)),), "not looked at"),
}
_VERDICT_INK = {"not_believable": WRONG, "upper_bound": WARN, "believable": RIGHT}


def draw_audit(block: AuditBlock, name: str) -> tuple[str, dict[str, bytes]]:
    """The grid of one setting as an ``<svg>`` element for the page, and as files by name.

    Args:
        block: the audits; at least one model.
        name: what the files are called, without ending.
    """
    setting = block.setting
    title = f"{setting.base.dataset}: {setting.mode} audit, first {setting.base.n:,} images"
    with figure_style():
        return inline(_grid(block), name), as_files(_grid(block, " ".join(title.split())), name)


def _grid(block: AuditBlock, title: str = "") -> Figure:
    """The whole figure on one axes in inches with y downward, so that cells are square whatever their number."""
    columns, width = _columns(block.checks)
    top = _HEAD + (_TITLE if title else 0.0)
    height = top + _CELL * len(block.models) + _LEGEND
    figure = Figure(figsize=(width + _VERDICT, height), facecolor=CARD)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width + _VERDICT), ylim=(height, 0))
    axes.set_axis_off()
    if title:
        axes.text(0.1, 0.14, title, va="top", fontsize=11, weight="bold")
    _heads(axes, block.checks, columns, top)
    places: dict[str, list[Point]] = {status: [] for status in OUTCOMES}
    for row, model in enumerate(block.models):
        y = top + _CELL * (row + 0.5)
        axes.text(_NAMES - 0.1, y, figure_label(model.name), ha="right", va="center", fontsize=9)
        for finding in model.audit.findings:
            places[finding.status].append((columns[finding.id], y))
        verdict = model.mark.verdict
        axes.text(
            width + 0.1, y, " ".join(VERDICTS[verdict]), va="center", fontsize=9, color=_VERDICT_INK[verdict]
        )
    _legend(axes, places, height - 0.12)
    for status, centres in places.items():
        _cells(axes, OUTCOMES[status], centres)
    return figure


def _columns(checks: Sequence[Check]) -> tuple[dict[str, float], float]:
    """Where the middle of each column lies, by the check's id, and where the last one ends."""
    left, kind, columns = _NAMES, checks[0].kind, {}
    for check in checks:
        left += _GAP if check.kind != kind else 0.0
        kind = check.kind
        columns[check.id] = left + _CELL / 2
        left += _CELL
    return columns, left


def _heads(axes: Axes, checks: Sequence[Check], columns: Mapping[str, float], top: float) -> None:
    """The ids above the columns, and above them the kind, with a rule as wide as its columns."""
    for kind, text in KINDS.items():
        own = [columns[check.id] for check in checks if check.kind == kind]
        if own:
            axes.text(own[0] - _CELL / 2 + _EDGE, top - 0.3, text, va="bottom", fontsize=9, weight="bold")
            ends = own[0] - _CELL / 2 + _EDGE, own[-1] + _CELL / 2 - _EDGE
            axes.plot(ends, (top - 0.26,) * 2, color=MUTED, linewidth=0.7)
    for check in checks:
        axes.text(columns[check.id], top - 0.06, check.id, ha="center", fontsize=7.5, color=MUTED)


def _legend(axes: Axes, places: Mapping[str, list[Point]], y: float) -> None:
    """The outcomes that occur, below the grid; their cells are added to ``places``."""
    x = _NAMES + _CELL / 2
    for status, outcome in OUTCOMES.items():
        if places[status]:
            places[status].append((x, y - 0.02))
            axes.text(x + 0.2, y - 0.02, outcome.about, va="center", fontsize=9, color=MUTED)
            x += 1.25


def _cells(axes: Axes, outcome: CheckOutcome, centres: Sequence[Point]) -> None:
    """Grounds and signs as markers, which an SVG defines once however many there are."""
    if not centres:
        return
    x, y = zip(*centres, strict=True)
    side = _CELL - 2 * _EDGE
    box = FancyBboxPatch((-1, -1), 2, 2, boxstyle="round,pad=0,rounding_size=0.3").get_path()
    ground = {"color": outcome.ground, "alpha": outcome.opacity, "markeredgewidth": 0}
    axes.plot(x, y, linestyle="none", marker=box, markersize=72 * side, **ground)
    sign = Path.make_compound_path(*(Path(stroke) for stroke in outcome.strokes))
    size = 72 * _SIGN * float(np.abs(sign.vertices).max())  # a marker's path is stretched to its size
    ink = {"markerfacecolor": "none", "markeredgecolor": outcome.ink, "markeredgewidth": 1.3}
    axes.plot(x, y, linestyle="none", marker=sign, markersize=size, **ink)
