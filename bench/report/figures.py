"""Figures of a page: built on seaborn's style, drawn without pyplot, the same bytes for the same results.

Every figure is drawn twice: as files (SVG and PNG, whole, with names in them) and as SVG parts that a page
lays out itself, so that they stay legible on a phone.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib
import seaborn as sns
from matplotlib.figure import Figure

from bench.report.curves import Panel, draw_panel, panels
from bench.report.format import attack_names, figure_label, norm_text, slug
from bench.report.scatter import draw_key, draw_scatter
from bench.report.style import CARD, INK, LINE, MUTED, PALETTE, RIGHT, WARN, WRONG, Style, styles

if TYPE_CHECKING:
    from bench.attacks import Request
    from bench.ranking import Standing
    from bench.results import Results

_PANEL = (3.0, 2.45)  # inches, without the names below it
_NAME = 0.145
_SCATTER = (4.1, 3.6)
_COLUMNS = 4
_WORST = "worst case"
_DPI = 160
_PAGE_COLOURS = {
    CARD: "var(--card)",
    INK: "currentColor",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    PALETTE[0]: "var(--accent)",
    WRONG: "var(--wrong)",
    WARN: "var(--warn)",
    RIGHT: "var(--right)",
}


@dataclass(frozen=True, slots=True)
class CurveFigure:
    """The curves under one attack, or in the worst case: SVG parts for the page, one for each panel."""

    attack: str
    parts: tuple[tuple[str, str], ...]  # what the panel shows, its SVG


@dataclass(frozen=True, slots=True)
class Figures:
    """What a page shows, and the files beside it by name."""

    curves: tuple[CurveFigure, ...]
    scatter: str
    files: dict[str, bytes]


def draw(results: Results, lines: Sequence[Standing], stem: str) -> Figures:
    """All figures of one setting.

    Args:
        results: what was measured.
        lines: its ranked table, of models that met an attack; at least one.
        stem: what the file names begin with.
    """
    chosen = styles([line.name for line in lines])
    files: dict[str, bytes] = {}
    curves = []
    with look():
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
        files |= as_files(_scatter(lines, chosen, with_key=True), name)
        scatter = inline(_scatter(lines, chosen, with_key=False), name)
    return Figures(tuple(curves), scatter, files)


def _attacks(results: Results) -> Sequence[tuple[Request | None, str]]:
    """Every attack with its name, and before more than two the worst case over all."""
    names = attack_names(results)
    return [(None, _WORST)] * (len(names) > 2) + list(names.items())


def _sheet(grid: Sequence[Panel], chosen: dict[str, Style], room: float, title: str = "") -> Figure:
    """Panels side by side with room for names below each, by hand: a layout engine takes longer than drawing."""
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


def _scatter(lines: Sequence[Standing], chosen: dict[str, Style], *, with_key: bool) -> Figure:
    """Clean against robust; the file carries the key to the numbers, on the page it is a list."""
    key = 2.7 if with_key else 0.0
    width, height = _SCATTER[0] + key, max(_SCATTER[1], (0.17 * len(lines) + 0.4) if with_key else 0)
    figure = Figure(figsize=(width, height), facecolor=CARD)
    bottom = height - _SCATTER[1] + 0.5
    box = (0.55 / width, bottom / height, (_SCATTER[0] - 0.7) / width, (_SCATTER[1] - 0.65) / height)
    axes = figure.add_axes(box)
    draw_scatter(axes, lines, chosen)
    if with_key:
        names = [figure_label(line.name) for line in lines]
        draw_key(figure, names, _SCATTER[0] / width, 1 - 0.2 / height, 0.17 / height)
    return figure


@contextmanager
def look() -> Iterator[None]:
    """The style of every figure, for as long as they are drawn: no state of matplotlib's is left changed."""
    rc: Any = {**sns.axes_style("ticks"), **sns.plotting_context("paper", font_scale=0.95)}
    rc |= {
        "font.family": ["sans-serif"],
        "font.sans-serif": ["DejaVu Sans"],  # ships with matplotlib, so layouts are alike everywhere
        "text.parse_math": False,  # a $ in a model's name is a $
        "svg.fonttype": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.facecolor": CARD,
        "axes.linewidth": 0.7,
        "grid.linewidth": 0.6,
        "xtick.major.size": 3,
        "ytick.major.size": 0,
    }
    rc |= dict.fromkeys(("axes.edgecolor", "grid.color"), LINE)
    rc |= dict.fromkeys(("xtick.color", "ytick.color", "axes.labelcolor"), MUTED)
    rc |= {"text.color": INK, "axes.titlecolor": INK}
    with matplotlib.rc_context(rc), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # drawn as a box
        yield


def as_files(figure: Figure, name: str) -> dict[str, bytes]:
    """The figure as SVG and PNG by file name."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return {f"{name}.svg": _svg(figure, name).encode(), f"{name}.png": buffer.getvalue()}


def _svg(figure: Figure, salt: str) -> str:
    """The figure as SVG without dates and with identifiers that depend on what is drawn alone."""
    buffer = io.StringIO()
    absent = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with matplotlib.rc_context({"svg.hashsalt": salt}):
        figure.savefig(buffer, format="svg", metadata=absent)
    return buffer.getvalue()


def inline(figure: Figure, salt: str) -> str:
    """The figure as an ``<svg>`` element that takes the size and the colours of the page around it."""
    svg = _svg(figure, salt)
    svg = svg[svg.index("<svg") :]
    return re.sub(r"<[^<>]+>", _themed, svg)


def _themed(tag: re.Match[str]) -> str:
    """One tag of a figure in the page's terms; text lies outside tags and stays as it is."""
    text = re.sub(r'^<g id="(?!C\d)[\w.]+_\d+"', "<g", tag.group())
    if text.startswith("<svg"):
        return re.sub(r' (width|height|version|xmlns|xmlns:xlink)="[^"]*"', "", text)
    text = text.replace("xlink:href", "href")
    for colour, variable in _PAGE_COLOURS.items():
        text = text.replace(f": {colour}", f": {variable}")
    return text
