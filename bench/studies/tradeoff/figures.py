"""Figures of the trade-off: accuracy against the angle and against ε, and the plane of the two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.numbers.eps import eps_text
from bench.pages.figures import as_files, figure_style, inline
from bench.pages.format import figure_label
from bench.pages.marks import mark, mark_legend, value_text
from bench.pages.named import NAMES, name_points
from bench.pages.style import CARD, INK, MUTED, PALETTE
from bench.studies.tradeoff.front import staircase
from bench.studies.tradeoff.results import (
    CLEAN,
    FRONT,
    NEARBY,
    SPATIAL,
    Axis,
    ModelGroup,
    Tradeoff,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# colour, dash and marker by recipe: the colour shows the kind, dash and marker the recipe
_KINDS = {
    "standard": (INK, (1, 0), "o"),
    "rotate60": (PALETTE[0], (1, 1.4), "^"),
    "rotate120": (PALETTE[0], (4, 1.6), ">"),
    "rotate180": (PALETTE[0], (1, 0), "v"),
    "pgd_at_quarter": (PALETTE[1], (1, 1.4), "s"),
    "pgd_at_half": (PALETTE[1], (4, 1.6), "D"),
    "pgd_at": (PALETTE[1], (1, 0), "p"),
    "rotate120+pgd_at_quarter": (PALETTE[2], (4, 1.6), "P"),
    "rotate180+pgd_at": (PALETTE[2], (1, 0), "X"),
    "trades": (PALETTE[3], (6, 1.4, 1, 1.4), "h"),
    "cusp": (PALETTE[4], (1, 0), "*"),
}
_OTHERS = ((PALETTE[5], (1, 0), "<"), (PALETTE[6], (4, 1.6), "8"), (PALETTE[5], (1, 1.4), "d"))
_SHAPES = ("o", "s", "^", "D", "v", "P", "X")  # an architecture each, in the plane
_GLYPHS = "●■▲◆▼✚✖"  # the same in text
_PANEL = (3.3, 2.55)  # inches of one panel of curves
_LEGEND = 0.155
_SQUARE = 3.5  # inches of one panel of the plane, without the names beside it
_KEY = 0.75


@figure_style()
def draw_curves(tradeoff: Tradeoff, stem: str) -> tuple[list[tuple[str, str]], dict[str, bytes]]:
    """Accuracy against the angle and ε: (architecture, SVG element) for the page, and files by name."""
    by_family: dict[str, list[ModelGroup]] = {}
    for group in tradeoff.groups:
        by_family.setdefault(group.architecture if group.zoo else "models of one's own", []).append(group)
    parts, files = [], {}
    for at, (family, groups) in enumerate(by_family.items()):
        name = f"{stem}-curves-{at + 1}"
        parts.append((family, inline(_sheet(tradeoff, groups), f"{name}-page")))
        files |= as_files(_sheet(tradeoff, groups, f"{tradeoff.setting.dataset}: {family}"), name)
    return parts, files


@dataclass(frozen=True, slots=True)
class Plane:
    """The planes of the page: SVG elements with what each shows, their key, and the files beside the page."""

    parts: tuple[tuple[str, str], ...]
    key: str
    files: dict[str, bytes]


@figure_style()
def draw_plane(tradeoff: Tradeoff, groups: Sequence[ModelGroup], stem: str) -> Plane:
    """Every group as a named point, two planes an attack."""
    name = f"{stem}-plane"
    found = _of_front(tradeoff)
    parts = tuple(
        (
            f"{tradeoff.words(y)} against {tradeoff.words(x)}",
            inline(_planes(tradeoff, groups, [[(x, y)]]), f"{name}-{i}"),
        )
        for i, (x, y) in enumerate(pair for row in found for pair in row)
    )
    key = inline(_planes(tradeoff, groups, [], with_key=True), f"{name}-key")
    return Plane(parts, key, as_files(planes_sheet(tradeoff, groups), name))


def planes_sheet(tradeoff: Tradeoff, groups: Sequence[ModelGroup]) -> Figure:
    """All planes of these groups with their key; within ``figure_style``."""
    return _planes(tradeoff, groups, _of_front(tradeoff), with_key=True)


def _styles(groups: Sequence[ModelGroup]) -> dict[str, tuple[str, tuple[float, ...], str]]:
    others = [group.name for group in groups if group.recipe not in _KINDS]
    return {
        group.name: _KINDS[group.recipe]
        if group.recipe in _KINDS
        else _OTHERS[others.index(group.name) % len(_OTHERS)]
        for group in groups
    }


def _sheet(tradeoff: Tradeoff, groups: Sequence[ModelGroup], title: str = "") -> Figure:
    """Angle on the left, ε on the right, and the models below both."""
    legend = _LEGEND * -(-len(groups) // 3) + 0.1
    head = 0.3 if title else 0.0
    width, height = 2 * _PANEL[0], _PANEL[1] + legend + head
    figure = Figure(figsize=(width, height), facecolor=CARD)
    styles = _styles(groups)
    for i, (grid, of) in enumerate(((tradeoff.rotations, "rotation"), (tradeoff.setting.eps, "pgd"))):
        box = (i * _PANEL[0] + 0.52, legend + 0.5, _PANEL[0] - 0.68, _PANEL[1] - 0.75)
        axes = figure.add_axes((box[0] / width, box[1] / height, box[2] / width, box[3] / height))
        for group in groups:
            _line(axes, tradeoff, group, [CLEAN, *(Axis(of, at) for at in grid)], styles[group.name])
        _dress(axes, grid, of)
    legend = figure.legend(
        handles=[_handle(group, *styles[group.name]) for group in groups],
        loc="lower left",
        bbox_to_anchor=(0.4 / width, 0.02 / height),
        ncols=3,
        frameon=False,
        fontsize=7.5,
        handlelength=3.4,
        columnspacing=1.4,
        labelspacing=0.3,
        borderaxespad=0,
        borderpad=0,
    )
    mark_legend(legend, [group.name for group in groups])
    if title:
        figure.text(
            0.1 / width, 1 - 0.08 / height, " ".join(title.split()), va="top", fontsize=10, weight="bold"
        )
    return figure


def _line(
    axes: Axes,
    tradeoff: Tradeoff,
    group: ModelGroup,
    at: Sequence[Axis],
    style: tuple[str, tuple[float, ...], str],
) -> None:
    """The mean over seeds; its interval is in the table, for eleven bands hide one another."""
    colour, dash, marker = style
    (line,) = axes.plot(
        [each.at for each in at],
        [100 * tradeoff.value(group, each) for each in at],
        color=colour,
        linestyle=(0, dash),
        marker=marker,
        markersize=6.5 if marker == "*" else 3.6,
        linewidth=1.9 if group.recipe == "cusp" else 1.1,
        mew=0,
        clip_on=False,
    )
    shares = [(each, tradeoff.share(group, each)) for each in at]
    mark(
        line, group.name, [value_text(tradeoff.words(each), share) if share else "" for each, share in shares]
    )


def _handle(group: ModelGroup, colour: str, dash: tuple[float, ...], marker: str) -> Line2D:
    return Line2D(
        [], [], color=colour, linestyle=(0, dash), marker=marker, markersize=4.5, linewidth=1.2, mew=0,
        label=figure_label(group.recipe or group.name),
    )  # fmt: skip


def _dress(axes: Axes, grid: Sequence[float], of: str) -> None:
    turned = of == "rotation"
    axes.set_title("random rotation" if turned else "PGD", loc="left", fontsize=9, pad=5)
    axes.set_xlabel("largest angle θ, degrees" if turned else "ε, pixel units", fontsize=8)
    axes.set_ylabel("accuracy, %", fontsize=8)
    ticks = [0.0, *grid]
    axes.set_xticks(ticks, ["clean", *(f"{at:g}" if turned else eps_text(at) for at in grid)])
    axes.set_xlim(0, max(grid) * 1.02)
    axes.set_yticks((0, 25, 50, 75, 100))
    axes.set_ylim(-2, 102)
    axes.tick_params(labelsize=7, pad=2)


def _of_front(tradeoff: Tradeoff) -> list[list[tuple[Axis, Axis]]]:
    """PGD above where it is not the front's attack, the front below; ±180° on the left, ±30° on the right."""
    rows = (FRONT,) if tradeoff.attack == "pgd" else (tradeoff.largest, FRONT)
    return [[(x, y) for x in (SPATIAL, NEARBY)] for y in rows]


def _planes(
    tradeoff: Tradeoff,
    groups: Sequence[ModelGroup],
    rows: Sequence[Sequence[tuple[Axis, Axis]]],
    *,
    with_key: bool = False,
) -> Figure:
    """Planes in rows, and below them on request the key to shapes and colours."""
    cell = _SQUARE + NAMES
    foot = _KEY if with_key else 0.0
    columns = max((len(row) for row in rows), default=1)
    width, height = max(columns * cell, 5.6), len(rows) * _SQUARE + foot
    figure = Figure(figsize=(width, height), facecolor=CARD)
    families = list(dict.fromkeys(group.architecture for group in groups))
    clean = [100 * tradeoff.value(group, CLEAN) for group in groups]
    norm = Normalize(min(clean, default=0) - 0.5, max(clean, default=100) + 0.5)
    for row, pairs in enumerate(rows):
        for column, (x, y) in enumerate(pairs):
            left, top = column * cell, height - row * _SQUARE
            box = (left + 0.55, top - _SQUARE + 0.5, _SQUARE - 0.65, _SQUARE - 0.75)
            axes = figure.add_axes((box[0] / width, box[1] / height, box[2] / width, box[3] / height))
            _draw_plane(axes, tradeoff, groups, x, y, norm, families)
    if with_key:
        _key(figure, tradeoff, families, norm)
    return figure


def _draw_plane(
    axes: Axes,
    tradeoff: Tradeoff,
    groups: Sequence[ModelGroup],
    x: Axis,
    y: Axis,
    norm: Normalize,
    families: Sequence[str],
) -> None:
    shown = [group for group in groups if tradeoff.share(group, x) and tradeoff.share(group, y)]
    if y == FRONT:
        _draw_front(axes, tradeoff, shown, x)
    points, labels = [], []
    for group in shown:
        across, up = tradeoff.share(group, x), tradeoff.share(group, y)
        assert across is not None
        assert up is not None
        at = families.index(group.architecture) % len(_SHAPES)
        points.append((100 * across.value, 100 * up.value))
        labels.append(f"{_GLYPHS[at]} {group.recipe or group.name}")
        colour = colormaps["cividis"](norm(100 * tradeoff.value(group, CLEAN)))
        parts = [
            *axes.plot(
                [100 * across.lo, 100 * across.hi], [100 * up.value] * 2, color=MUTED, lw=0.7, alpha=0.6
            ),
            *axes.plot([100 * across.value] * 2, [100 * up.lo, 100 * up.hi], color=MUTED, lw=0.7, alpha=0.6),
        ]
        if len(group.replicas) > 1:
            seeds = [(tradeoff.one(each, x), tradeoff.one(each, y)) for each in group.replicas]
            parts += axes.plot(*(100 * np.array(seeds).T), "+", color=INK, markersize=4, mew=0.7, alpha=0.8)
        for part in parts:
            mark(part, group.name)
        dot = axes.scatter(
            *points[-1], s=42, marker=_SHAPES[at], color=[colour], edgecolor=INK, linewidth=0.6, zorder=3
        )
        mark(dot, group.name, [f"{value_text('spatial', across)}; {value_text('adversarial', up)}"], "point")
    title = f"{tradeoff.front_name}, with the front" if y == FRONT else "PGD"
    axes.set_title(title, loc="left", fontsize=8.5, pad=4)
    axes.set_xlabel(f"spatial: {tradeoff.words(x)}, %", fontsize=7)
    axes.set_ylabel(f"adversarial: {tradeoff.words(y)}, %", fontsize=7)
    axes.tick_params(labelsize=7.5, pad=2)
    axes.set_xlim(-3, 103)
    top = max((point[1] for point in points), default=0.0)
    axes.set_ylim(-0.03 * max(top, 10), min(103, 1.2 * top + 8))
    name_points(axes, points, [group.name for group in shown], labels)


def _draw_front(axes: Axes, tradeoff: Tradeoff, groups: Sequence[ModelGroup], x: Axis) -> None:
    """The border of what the measured models dominate."""
    corners = 100 * staircase(tradeoff.plane(groups, x, FRONT))
    if len(corners):
        across = [0.0, *corners[:, 0], corners[-1, 0]]
        up = [corners[0, 1], *corners[:, 1], 0.0]
        axes.step(across, up, where="pre", color=PALETTE[0], lw=1.3, linestyle=(0, (5, 2)), zorder=2)


def _key(figure: Figure, tradeoff: Tradeoff, families: Sequence[str], norm: Normalize) -> None:
    """Shapes, lines, and the scale of clean accuracy, at the foot."""
    width, height = figure.get_size_inches()
    handles = [
        Line2D([], [], linestyle="", marker=_SHAPES[i % len(_SHAPES)], color=MUTED, mec=INK, mew=0.6, markersize=6,
               label=figure_label(family))
        for i, family in enumerate(families)
    ]  # fmt: skip
    handles += [
        Line2D([], [], color=MUTED, lw=0.8, label="95 %, over images"),
        Line2D([], [], linestyle="", marker="+", color=INK, markersize=5, label="one training seed"),
        Line2D([], [], color=PALETTE[0], lw=1.3, linestyle=(0, (5, 2)),
               label=f"front, {tradeoff.front_name}"),
    ]  # fmt: skip
    figure.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0.1 / width, 0.1 / height), ncols=2, frameon=False,
        fontsize=7.5, borderaxespad=0, borderpad=0, columnspacing=1.2, handletextpad=0.5,
    )  # fmt: skip
    axes = figure.add_axes((3.95 / width, 0.45 / height, 1.5 / width, 0.1 / height))
    bar = figure.colorbar(ScalarMappable(norm, "cividis"), cax=axes, orientation="horizontal")
    bar.set_label("clean accuracy, %", fontsize=7.5, labelpad=1)
    bar.ax.tick_params(labelsize=7, pad=1)
