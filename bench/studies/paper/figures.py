"""Figures of the reproduction page: printed, released and sound curves, and one model under every protocol."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.pages.figures import as_files, figure_style, inline, themed
from bench.pages.format import figure_label
from bench.pages.style import CARD, INK, LINE, PALETTE
from bench.studies.paper.across import Across
from bench.studies.paper.compare import PaperRow
from bench.studies.paper.published import MEAN
from bench.studies.paper.reproduction import COLUMNS
from bench.studies.paper.sections import attack_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PRINTED = "published"
# colour, dash, marker: distinct without colour too
SOURCES = {
    PRINTED: (INK, (4, 2), "D"),
    "released": (PALETTE[1], (1, 0), "s"),
    "sound": (PALETTE[0], (1, 0), "o"),
}
_ATTACKS = {"fgsm": "FGSM", "pgd": "PGD"}
_PANEL = (1.8, 1.7)  # inches, one axes with its labels
_HEAD = 0.26
_MARKERS = ("s", "D", "^", "v", "P", "X", "o")


@dataclass(frozen=True, slots=True)
class PaperCurves:
    """One model's curves as an SVG element with one axes an attack."""

    name: str
    svg: str
    attacks: int


@figure_style()
def curve_figures(rows: Sequence[PaperRow], stem: str) -> list[PaperCurves]:
    """A figure for each model with a number of ours.

    Rows of single corruptions are left out; their mean is drawn.
    """
    drawn = [row for row in rows if row.published.corruption in ("", MEAN)]
    figures = []
    for name in dict.fromkeys(row.name for row in drawn if any(row.sides)):
        inside = [row for row in drawn if row.name == name]
        attacks = list(dict.fromkeys(attack_of(row.published) for row in inside))
        svg = inline(_curves(name, inside, attacks), f"{stem}-{name}")
        figures.append(PaperCurves(name, svg, len(attacks)))
    return figures


def _curves(name: str, rows: Sequence[PaperRow], attacks: Sequence[str]) -> Figure:
    width, height = len(attacks) * _PANEL[0], _PANEL[1] + _HEAD
    figure = Figure(figsize=(width, height), facecolor=CARD)
    for i, attack in enumerate(attacks):
        left = (i * _PANEL[0] + 0.4) / width
        box = (left, 0.42 / height, (_PANEL[0] - 0.48) / width, (_PANEL[1] - 0.62) / height)
        axes = figure.add_axes(box)
        inside = sorted((r for r in rows if attack_of(r.published) == attack), key=lambda r: r.published.eps)
        _draw_sources(axes, inside)
        _dress(axes, _ATTACKS[attack], [row.published.eps for row in inside])
    figure.text(0.4 / width, 1 - 0.05 / height, figure_label(name), va="top", fontsize=9, weight="bold")
    return figure


def _draw_sources(axes: Axes, rows: Sequence[PaperRow]) -> None:
    printed = [(row.published.eps, 100 * row.published.accuracy) for row in rows]
    _line(axes, printed, PRINTED)
    for i, column in enumerate(COLUMNS):
        shares = [(row.published.eps, side.share) for row in rows if (side := row.sides[i])]
        _line(axes, [(eps, 100 * share.value) for eps, share in shares], column)
        lo, hi = ([100 * getattr(share, end) for _, share in shares] for end in ("lo", "hi"))
        axes.fill_between(
            [eps for eps, _ in shares], lo, hi, color=SOURCES[column][0], alpha=0.14, linewidth=0
        )


def _line(axes: Axes, points: Iterable[tuple[float, float]], source: str) -> None:
    colour, dash, marker = SOURCES[source]
    x, y = zip(*points, strict=True) if (points := list(points)) else ((), ())
    axes.plot(
        x,
        y,
        color=colour,
        linestyle=(0, dash),
        marker=marker,
        markersize=2.6,
        linewidth=1.2,
        mew=0,
        clip_on=False,
    )


def _dress(axes: Axes, title: str, eps: Sequence[float]) -> None:
    last = max(eps)
    axes.set_title(title, loc="left", fontsize=8, pad=4)
    axes.set_xlabel("nominal ε", fontsize=7.5, labelpad=1)
    axes.set_ylabel("accuracy, %", fontsize=7.5, labelpad=1)
    axes.set_xticks([0, last / 2, last], ["0", f"{last / 2:.3g}", f"{last:.3g}"])
    axes.set_xlim(0, 1.04 * last)
    axes.set_yticks((0, 25, 50, 75, 100))
    axes.set_ylim(-2, 102)
    axes.tick_params(labelsize=7, pad=2)


@figure_style()
def across_figure(across: Across, stem: str) -> tuple[str, dict[str, bytes]]:
    """One row a model, one marker a protocol, one axes an attack: as an SVG element, and as files."""
    name = f"{stem}-across"
    files = as_files(_across(across), name)
    return themed(files[f"{name}.svg"].decode()), files


def _across(across: Across) -> Figure:
    attacks = [attack for attack in _ATTACKS if any(key[2] == attack for key in across.shares)]
    names, legend = 1.75, 0.15 * len(across.protocols)
    width = names + 2.75 * len(attacks)
    height = 0.75 + 0.3 * len(across.models) + legend
    figure = Figure(figsize=(width, height), facecolor=CARD)
    for i, attack in enumerate(attacks):
        left = (names + 2.75 * i) / width
        box = (left, (0.42 + legend) / height, 2.55 / width, (height - legend - 0.68) / height)
        axes = figure.add_axes(box)
        _draw_protocols(axes, across, attack)
        axes.set_title(_ATTACKS[attack], loc="left", fontsize=8, pad=4)
        labels = [figure_label(name) for name in across.models] if i == 0 else [""] * len(across.models)
        axes.set_yticks(range(len(across.models)), labels)
        axes.set_ylim(len(across.models) - 0.4, -0.6)
        axes.set_xlim(-2, 102)
        axes.set_xlabel("accuracy, %, mean over the shared ε", fontsize=7.5, labelpad=1)
        axes.tick_params(labelsize=7.5, pad=2)
        axes.grid(axis="y", color=LINE, linewidth=0.4)
    handles = [_handle(i, label) for i, label in enumerate(across.protocols)]
    figure.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(names / width, 0.0),
        frameon=False,
        fontsize=7.5,
        labelspacing=0.25,
        borderaxespad=0,
        borderpad=0,
    )
    return figure


def _draw_protocols(axes: Axes, across: Across, attack: str) -> None:
    count = len(across.protocols)
    for at, name in enumerate(across.models):
        for i, label in enumerate(across.protocols):
            share = across.shares.get((name, label, attack))
            if share is None:
                continue
            colour, marker = _protocol_style(i, label)
            height = at + 0.12 * (i - (count - 1) / 2)
            axes.plot([100 * share.lo, 100 * share.hi], [height] * 2, color=colour, linewidth=0.9)
            axes.plot([100 * share.value], [height], marker, color=colour, markersize=3.6, mew=0)


def _protocol_style(i: int, label: str) -> tuple[str, str]:
    """Sound has its colour of the curves; the released ones take the other colours in order."""
    if label.startswith("sound"):
        return SOURCES["sound"][0], SOURCES["sound"][2]
    return PALETTE[1 + i % (len(PALETTE) - 1)], _MARKERS[i % (len(_MARKERS) - 1)]


def _handle(i: int, label: str) -> Line2D:
    colour, marker = _protocol_style(i, label)
    return Line2D([], [], color=colour, linestyle="", marker=marker, markersize=4, label=figure_label(label))
