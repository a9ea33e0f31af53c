"""Figures of the CLEVER page: estimates against attacks, and the quality of the fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from bench.pages.figures import as_files, figure_style, inline
from bench.pages.format import figure_label, norm_text
from bench.pages.marks import mark
from bench.pages.style import CARD, INK, LINE, MUTED, PALETTE, family

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bench.studies.clever.results import CleverResult, CleverSetting

BELOW, ABOVE = PALETTE[0], PALETTE[1]  # the estimate is below the attack, or above it
MOST_POINTS = 400  # images drawn for a model; those above the attack are always drawn
BANDS = (  # of KS p-values: what it means, from, to, colour
    ("fits well: p ≥ 0.05", 0.05, np.inf, PALETTE[2]),
    ("doubtful: 0.001 ≤ p < 0.05", 0.001, 0.05, PALETTE[4]),
    ("rejected: p < 0.001", -np.inf, 0.001, PALETTE[1]),
    ("nothing to fit: no p", np.nan, np.nan, PALETTE[3]),
)

_PANEL = 2.75  # inches, square
_COLUMNS = 4
_KEY = 0.3
_BARS, _NAMES, _ROW = 4.2, 1.85, 0.25


@dataclass(frozen=True, slots=True)
class CleverPanel:
    """One model's panel for the page."""

    name: str
    group: str
    svg: str


@dataclass(frozen=True, slots=True)
class CleverFigures:
    """The figures on a page, and the files beside it by name."""

    panels: tuple[CleverPanel, ...]
    fits: str
    files: dict[str, bytes]


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """The rightly classified images of one model, one entry each; ``distance`` is NaN where none was found."""

    score: Float[np.ndarray, " n"]
    distance: Float[np.ndarray, " n"]
    censored: Bool[np.ndarray, " n"]

    @property
    def above(self) -> Bool[np.ndarray, " n"]:
        """Images whose estimate exceeds a verified perturbation."""
        return self.score > self.distance

    @property
    def unbroken(self) -> Bool[np.ndarray, " n"]:
        """Images for which the attack found nothing."""
        return ~np.isfinite(self.distance)


def points(model: CleverResult) -> Points | None:
    """The points of a panel; ``None`` if no attack was run."""
    if "distance" not in model.arrays:
        return None
    right = model.right
    return Points(
        np.asarray(model.scores[right], dtype=np.float64),
        np.asarray(model.arrays["distance"][right], dtype=np.float64),
        np.asarray(model.arrays["censored"][right], dtype=bool),
    )


def bands(model: CleverResult) -> tuple[float, ...]:
    """Shares of a model's (image, target) pairs in the ``BANDS``; NaN where no image is classified rightly."""
    p = model.arrays["ks_p"][model.right].ravel()
    if not p.size:
        return (float("nan"),) * len(BANDS)
    return tuple(
        float(np.isnan(p).mean() if np.isnan(lo) else ((p >= lo) & (p < hi)).mean()) for _, lo, hi, _ in BANDS
    )


def draw(models: Sequence[CleverResult], setting: CleverSetting, stem: str) -> CleverFigures:
    """All figures of one setting; file names begin with ``stem``."""
    found = [(model.info.name, of) for model in models if (of := points(model)) is not None]
    files: dict[str, bytes] = {}
    with figure_style():
        limits = _limits([of for _, of in found], setting.options.radius)
        if found:
            title = f"{setting.dataset}: CLEVER estimate against attack, {norm_text(setting.options.norm)}"
            files |= as_files(_sheet(found, setting, limits, title), f"{stem}-sandwich")
        panels = tuple(
            CleverPanel(
                name, family(name), inline(_sheet([(name, of)], setting, limits), f"{stem}-sandwich-{i}")
            )
            for i, (name, of) in enumerate(found)
        )
        files |= as_files(_fits(models, with_key=True), f"{stem}-fits")
        fits = inline(_fits(models, with_key=False), f"{stem}-fits-page")
    return CleverFigures(panels, fits, files)


def sandwich_sheet(models: Sequence[CleverResult], setting: CleverSetting) -> Figure:
    """The panels of models with an attack, and their key; within ``figure_style``."""
    found = [(model.info.name, of) for model in models if (of := points(model)) is not None]
    title = f"{setting.dataset}: CLEVER estimate against attack, {norm_text(setting.options.norm)}"
    return _sheet(found, setting, _limits([of for _, of in found], setting.options.radius), title)


def _limits(found: Sequence[Points], radius: float) -> tuple[float, float]:
    """Where the axes of all panels end, so that panels can be compared."""
    scores = np.concatenate([of.score for of in found] or [np.zeros(0)])
    distances = np.concatenate([of.distance[~of.unbroken] for of in found] or [np.zeros(0)])
    right = float(scores.max(initial=0.0)) or radius
    top = float(distances.max(initial=0.0)) or right
    return 1.08 * right, 1.12 * top


def _sheet(
    found: Sequence[tuple[str, Points]],
    setting: CleverSetting,
    limits: tuple[float, float],
    title: str = "",
) -> Figure:
    """Panels side by side; with a title also a key, which the page has as text."""
    columns = min(_COLUMNS, len(found)) if title else 1
    rows = -(-len(found) // columns)
    head, foot = (
        (0.4, (_KEY * 2.4 if columns == 1 else _KEY * 2 if columns == 2 else _KEY) + 0.1)
        if title
        else (0.0, 0.0)
    )
    width, height = columns * _PANEL, rows * _PANEL + head + foot
    figure = Figure(figsize=(width, height), facecolor=CARD)
    for i, (name, of) in enumerate(found):
        left, top = i % columns * _PANEL, height - head - i // columns * _PANEL
        box = (left + 0.52, top - _PANEL + 0.45, _PANEL - 0.66, _PANEL - 0.95)
        axes = figure.add_axes((box[0] / width, box[1] / height, box[2] / width, box[3] / height))
        _panel(axes, name, of, setting, limits)
    if title:
        text = " ".join(title.split())
        figure.text(
            0.1 / width, 1 - 0.12 / height, text, va="top", fontsize=10 if columns > 1 else 7, weight="bold"
        )
        _sheet_key(figure, min(columns, 4))
    return figure


def _panel(axes: Axes, name: str, of: Points, setting: CleverSetting, limits: tuple[float, float]) -> None:
    """One model: a point for each image; it should be above the diagonal."""
    right, top = limits
    end = min(limits)
    axes.plot([0, end], [0, end], color=MUTED, linewidth=0.8, zorder=1)
    if setting.options.radius <= right:
        axes.axvline(setting.options.radius, color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)), zorder=1)
    drawn = of.above | (np.arange(len(of.score)) < MOST_POINTS)
    for mask, y, marker, colour, size in (
        (~of.above & ~of.unbroken, of.distance, "o", BELOW, 3.4),
        (of.above, of.distance, "X", ABOVE, 4.6),
        (of.unbroken, np.full_like(of.score, top), "^", MUTED, 4.6),
    ):
        for hollow in (False, True):
            chosen = mask & drawn & (of.censored == hollow)
            if chosen.any():
                face = {"markerfacecolor": "none", "mew": 0.9} if hollow else {"mew": 0, "alpha": 0.75}
                style = {"color": colour, "marker": marker, "markersize": size, **face}
                axes.plot(of.score[chosen], y[chosen], linestyle="none", clip_on=False, zorder=3, **style)
    axes.set_xlim(0, right)
    axes.set_ylim(0, top)
    axes.set_title(figure_label(name), loc="left", fontsize=8.5, weight="bold", pad=16)
    axes.text(0, 1.035, _summary(of), transform=axes.transAxes, fontsize=7, color=MUTED)
    axes.set_xlabel("CLEVER estimate", fontsize=7.5, labelpad=1)
    axes.set_ylabel("attack", fontsize=7.5, labelpad=2)
    axes.tick_params(labelsize=7.5, pad=2)
    axes.locator_params(nbins=5)


def _summary(of: Points) -> str:
    n = len(of.score)
    if not n:
        return "no image classified rightly"
    return f"{int(of.above.sum())} of {n} above the attack" + (
        f", {int(of.unbroken.sum())} not broken" if of.unbroken.any() else ""
    )


def _sheet_key(figure: Figure, columns: int) -> None:
    marks = (
        ("o", BELOW, BELOW, "estimate below the attack"),
        ("X", ABOVE, ABOVE, "estimate above it: no lower bound"),
        ("^", MUTED, MUTED, "no attack found (top edge)"),
        ("o", "none", INK, "hollow: censored at the radius"),
    )
    handles = [
        Line2D(
            [], [], marker=marker, linestyle="none", markersize=5, markerfacecolor=face, markeredgecolor=edge
        )
        for marker, face, edge, _ in marks
    ]
    figure.legend(
        handles,
        [text for *_, text in marks],
        loc="lower left",
        ncols=columns,
        frameon=False,
        fontsize=7.5,
        columnspacing=1.2,
        handletextpad=0.3,
    )


def _fits(models: Sequence[CleverResult], *, with_key: bool) -> Figure:
    """A bar for each model: the shares of its fits by KS p-value."""
    foot = 0.42 + (0.5 if with_key else 0.0)
    height = 0.1 + _ROW * max(len(models), 1) + foot
    figure = Figure(figsize=(_BARS, height), facecolor=CARD)
    box = (_NAMES / _BARS, foot / height, (_BARS - _NAMES - 0.2) / _BARS, 1 - (foot + 0.1) / height)
    axes = figure.add_axes(box)
    for at, model in enumerate(models):
        start = 0.0
        for share, (*_, colour) in zip(bands(model), BANDS, strict=True):
            if share > 0:
                bar = Rectangle((start, at - 0.32), 100 * share, 0.64, color=colour, linewidth=0, zorder=2)
                mark(axes.add_patch(bar), model.info.name, part="bar")
                start += 100 * share
    axes.set_xlim(0, 100)
    axes.set_ylim(max(len(models), 1) - 0.5, -0.5)
    axes.set_yticks(range(len(models)), [figure_label(model.info.name) for model in models])
    axes.tick_params(labelsize=7.5, pad=2)
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x", color=LINE)
    axes.set_xlabel("share of (image, target) pairs, %", fontsize=7.5, labelpad=1)
    if with_key:
        handles = [Rectangle((0, 0), 1, 1, color=colour, linewidth=0) for *_, colour in BANDS]
        texts = [text for text, *_ in BANDS]
        figure.legend(
            handles, texts, loc="lower left", ncols=2, frameon=False, fontsize=7.5, columnspacing=1.2
        )
    return figure
