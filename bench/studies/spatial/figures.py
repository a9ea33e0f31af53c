"""Figures of the page on rotations: accuracy against the largest random angle, and against one fixed angle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from bench.numbers.stats import Share
from bench.pages.figures import as_files, figure_style, inline, name_lines
from bench.pages.format import figure_label
from bench.pages.lines import draw_lines
from bench.pages.style import CARD, FEW, Style, family, styles
from bench.studies.spatial.results import SpatialResult, SpatialResults

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PANEL = (3.4, 2.45)  # inches, without the names below it
_NAME = 0.145
_COLUMNS = 3
_TICKS = 9  # at most
_HEAD = (0.2, 0.4)  # inches, above one panel and above several with titles of their own
_TITLE = 44  # characters above a panel
_Curve = tuple[tuple[float, Share], ...]


@dataclass(frozen=True, slots=True)
class Drawing:
    """One figure: its parts for the page, each with a title and an SVG element, and the files beside it."""

    parts: tuple[tuple[str, str], ...]
    files: dict[str, bytes]


@figure_style()
def draw_random(results: SpatialResults, stem: str) -> Drawing:
    """Accuracy under random rotations against the largest angle; 0° is the clean accuracy."""
    title = f"{results.setting.dataset}: accuracy under random rotations"
    return _drawing(results.models, _random, "random angles up to ±θ, degrees", title, f"{stem}-rotations")


@figure_style()
def draw_turned(results: SpatialResults, stem: str) -> Drawing:
    """Accuracy with all images turned by the same angle, all the way round."""
    title = f"{results.setting.dataset}: all images turned by one angle"
    return _drawing(results.models, _turned, "angle of all images, degrees", title, f"{stem}-turned")


def _random(model: SpatialResult) -> _Curve:
    levels = ((level, outcome.accuracy) for level, outcome in model.rotations.items())
    return ((0.0, model.clean_accuracy), *levels)


def _turned(model: SpatialResult) -> _Curve:
    found = [(angle, turned.accuracy) for angle in model.angles if (turned := model.at(angle))]
    return (*found, (360.0, found[0][1]))


def _drawing(
    models: Sequence[SpatialResult],
    curve: Callable[[SpatialResult], _Curve],
    across: str,
    title: str,
    stem: str,
) -> Drawing:
    curves = {model.info.name: curve(model) for model in models}
    chosen = styles(list(curves))
    few = len(curves) <= FEW
    groups = dict.fromkeys("all models" if few else family(name) for name in curves)
    panels = {group: [name for name in curves if few or family(name) == group] for group in groups}
    parts = tuple(
        (group, inline(_sheet({group: names}, curves, chosen, across), f"{stem}-{i}"))
        for i, (group, names) in enumerate(panels.items())
    )
    return Drawing(parts, as_files(_sheet(panels, curves, chosen, across, title), stem))


def _sheet(
    panels: dict[str, list[str]],
    curves: dict[str, _Curve],
    chosen: dict[str, Style],
    across: str,
    title: str = "",
) -> Figure:
    """Panels side by side with the names below each; a single panel of few models needs no title."""
    columns = min(_COLUMNS, len(panels))
    room = _NAME * max(len(names) for names in panels.values())
    head, cell = _HEAD[len(panels) > 1] if title else 0.0, _PANEL[1] + room
    width, height = columns * _PANEL[0], -(-len(panels) // columns) * cell + head
    figure = Figure(figsize=(width, height), facecolor=CARD)
    for i, (group, names) in enumerate(panels.items()):
        left, top = i % columns * _PANEL[0], height - head - i // columns * cell
        box = (left + 0.45, top - 2.0, _PANEL[0] - 0.55, 1.75)
        axes = figure.add_axes((box[0] / width, box[1] / height, box[2] / width, box[3] / height))
        _draw(axes, names, curves, chosen)
        _dress(axes, curves[names[0]], across)
        name_lines(axes, names, chosen, below=0.2)
        if len(curves) > FEW:
            axes.set_title(figure_label(group), loc="left", fontsize=9, weight="bold", pad=6)
    if title:
        text = figure_label(title, _TITLE * columns)
        figure.text(0.1 / width, 1 - 0.1 / height, text, va="top", fontsize=9, weight="bold")
    return figure


def _draw(axes: Axes, names: Sequence[str], curves: dict[str, _Curve], chosen: dict[str, Style]) -> None:
    """Lines with their 95 % bands; models of the other panels in grey behind them."""
    own = {name: curves[name] for name in names}
    behind = {name: curve for name, curve in curves.items() if name not in names}
    draw_lines(axes, own, behind, chosen, lambda angle: f"{angle:g}°")


def _dress(axes: Axes, curve: _Curve, across: str) -> None:
    """Axes and ticks: every level while they are few, else quarter turns."""
    at = [each for each, _ in curve]
    ticks = at if len(at) <= _TICKS else [tick for tick in (0, 90, 180, 270, 360) if tick <= at[-1]]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks((0, 25, 50, 75, 100))
    axes.set_xlabel(across, fontsize=7.5, labelpad=1)
    axes.set_ylabel("accuracy, %", fontsize=7.5, labelpad=2)
    axes.tick_params(labelsize=7.5, pad=2)
    axes.set_xlim(-0.02 * at[-1], 1.03 * at[-1])
    axes.set_ylim(-2, 103)
    if len(at) <= _TICKS:
        axes.grid(visible=False, axis="x")
