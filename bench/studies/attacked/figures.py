"""Figures of a page: built on seaborn's style, drawn without pyplot, the same bytes for the same results.

Every figure is drawn twice: as files (SVG and PNG, whole, with names in them) and as SVG parts that a page arranges
itself, so that they are readable on a phone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from bench.pages.figures import as_files, figure_style, inline
from bench.pages.format import norm_text, slug
from bench.pages.named import NAMES
from bench.pages.style import CARD, Style, styles
from bench.studies.attacked.curves import CurvePanel, draw_panel, panels
from bench.studies.attacked.scatter import draw_scatter
from bench.studies.robustness.names import attack_names

if TYPE_CHECKING:
    from bench.attacks import Request
    from bench.studies.robustness.ranking import Standing
    from bench.studies.robustness.results import Results

_PANEL = (3.0, 2.45)  # inches, without the names below it
_NAME = 0.145
_SCATTER = (3.4, 3.2)  # inches, without the names beside it
_COLUMNS = 4
WORST = "worst case"


@dataclass(frozen=True, slots=True)
class CurveFigure:
    """The curves under one attack, or in the worst case: SVG parts for the page, one for each panel."""

    attack: str
    parts: tuple[tuple[str, str], ...]  # what the panel shows, its SVG


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures on a page, and the files beside it by name."""

    curves: tuple[CurveFigure, ...]
    scatter: str
    files: dict[str, bytes]


def draw(results: Results, lines: Sequence[Standing], stem: str) -> Figures:
    """All figures of one setting.

    Args:
        results: what was measured.
        lines: its ranked table, of attacked models; at least one.
        stem: start of the file names.
    """
    chosen = styles([line.name for line in lines])
    files: dict[str, bytes] = {}
    curves = []
    with figure_style():
        for request, attack in _attacks(results):
            grid = panels(results, lines, request, attack)
            name = f"{stem}-curves-{slug(attack) if request else 'worst-case'}"
            under = f"under {attack}" if request else "in the worst case over all attacks"
            title = f"{results.setting.dataset}: accuracy {under}, {norm_text(results.setting.norm)}"
            room = _NAME * max(len(panel.lines) for panel in grid)
            files |= as_files(_sheet(grid, chosen, room, title), name)
            parts = tuple(
                (panel.title, inline(_sheet([panel], chosen, room), f"{name}-{i}"))
                for i, panel in enumerate(grid)
            )
            curves.append(CurveFigure(attack, parts))
        name = f"{stem}-scatter"
        files |= as_files(scatter_sheet(lines, chosen), name)
        scatter = inline(scatter_sheet(lines, chosen), f"{name}-page")
    return Figures(tuple(curves), scatter, files)


def curves_sheet(results: Results, lines: Sequence[Standing], request: Request | None, attack: str) -> Figure:
    """The panels of one attack, or with ``None`` of the worst case, side by side; within ``figure_style``."""
    grid = panels(results, lines, request, attack)
    room = _NAME * max(len(panel.lines) for panel in grid)
    return _sheet(grid, styles([line.name for line in lines]), room)


def _attacks(results: Results) -> Sequence[tuple[Request | None, str]]:
    """Every attack with its name, and before more than two the worst case over all."""
    names = attack_names(results)
    return [(None, WORST)] * (len(names) > 2) + list(names.items())


def _sheet(grid: Sequence[CurvePanel], chosen: dict[str, Style], room: float, title: str = "") -> Figure:
    """Panels side by side with room for names below each. No layout engine: it takes longer than drawing."""
    columns = min(_COLUMNS, len(grid))
    rows = -(-len(grid) // columns)
    head = 0.45 if title else 0.0
    cell = _PANEL[1] + room
    width, height = columns * _PANEL[0], rows * cell + head
    figure = Figure(figsize=(width, height), facecolor=CARD)
    for i, panel in enumerate(grid):
        left, top = i % columns * _PANEL[0], height - head - i // columns * cell
        box = (left + 0.45, top - 2.05, _PANEL[0] - 0.55, 1.75)
        axes = figure.add_axes((box[0] / width, box[1] / height, box[2] / width, box[3] / height))
        draw_panel(axes, panel, chosen)
    if title:
        text = " ".join(title.split())
        figure.text(0.1 / width, 1 - 0.12 / height, text, va="top", fontsize=11, weight="bold")
    return figure


def scatter_sheet(lines: Sequence[Standing], chosen: dict[str, Style]) -> Figure:
    """Clean against robust, and the names beside it; within ``figure_style``."""
    width, height = _SCATTER[0] + NAMES, max(_SCATTER[1], 0.125 * len(lines) + 0.75)
    figure = Figure(figsize=(width, height), facecolor=CARD)
    box = (0.5 / width, 0.5 / height, (_SCATTER[0] - 0.6) / width, (height - 0.65) / height)
    draw_scatter(figure.add_axes(box), lines, chosen)
    return figure
