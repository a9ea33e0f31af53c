"""The trade-off in closed form on a page: linear classifiers, exact curves with simulated points on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.pages.figures import as_files, figure_style, inline
from bench.pages.style import CARD, INK, PALETTE, Style
from bench.studies.tradeoff.linear import Accuracies, best_clean_weight, exact, simulate, strengths

P = 0.9  # the chance that the strong coordinate is y
DIMENSIONS = (50, 400)
WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 40.0, math.inf)
_EXAMPLES, _SEED = 20_000, 0
_CURVE = np.logspace(-1, 3.5, 181)
_ENDS = (10**-1.6, 10**4.1)  # where w = 0 and w = ∞ are drawn on a logarithmic axis
_PANEL, _BOX = (3.3, 2.75), (0.5, 0.65, 2.65, 1.75)  # inches; the axes' left, bottom, width, height
_TITLE = "Our own setting: sign(x_0 + w·mean(x)), a strong coordinate against many weak ones"
_KINDS = {
    "clean": Style(PALETTE[2], (1, 0), "o"),
    "spatial": Style(PALETTE[0], (4, 2), "s"),
    "adversarial": Style(PALETTE[1], (1, 1), "^"),
}
_PLANE = (Style(PALETTE[3], (4, 2), "D"), Style(PALETTE[6], (1, 0), "o"))
_NAMED = ((0.5, 1.0), (0.0, 4.0, 8.0, math.inf))  # weights that the plane has room to name


@dataclass(frozen=True, slots=True)
class LinearSetting:
    """One setting with its accuracies at ``WEIGHTS``.

    Attributes:
        p, d, eta, eps: as in :func:`bench.studies.tradeoff.linear.exact`.
        best, at_best: the w of the highest clean accuracy, and the accuracies there.
        exact, simulated: one for each of ``WEIGHTS``.
    """

    p: float
    d: int
    eta: float
    eps: float
    best: float
    at_best: Accuracies
    exact: tuple[Accuracies, ...]
    simulated: tuple[Accuracies, ...]

    def farthest(self, examples: int) -> float:
        """The largest distance of a simulated from its exact value, in standard errors of that many examples."""
        truth, found = np.array(self.exact), np.array(self.simulated)
        return float(np.max(np.abs(found - truth) / np.sqrt(truth * (1 - truth) / examples)))


@dataclass(frozen=True, slots=True)
class ClosedForm:
    """What ``tradeoff_linear.html.j2`` shows as ``linear``, and the files beside the page.

    Attributes:
        settings: one for each of ``DIMENSIONS``.
        weights: the w of the rows, as text.
        examples: simulated for each setting.
        farthest: the largest distance of a simulated value, in standard errors.
        parts: what a panel shows, its SVG.
        files: the figure as SVG and PNG by file name.
    """

    settings: tuple[LinearSetting, ...]
    weights: tuple[str, ...]
    examples: int
    farthest: float
    parts: tuple[tuple[str, str], ...]
    files: dict[str, bytes]


@figure_style()
def closed_form(stem: str) -> ClosedForm:
    """Everything of the section, the same each time; a second or two.

    Args:
        stem: what the figure's file names begin with.
    """
    settings = tuple(linear_setting(d) for d in DIMENSIONS)
    name = f"{stem}-closed-form"
    titles = [*(f"d = {setting.d}" for setting in settings), "Both at once"]
    parts = tuple((title, inline(_sheet(settings, (i,)), f"{name}-{i}")) for i, title in enumerate(titles))
    return ClosedForm(
        settings,
        tuple(_weight_text(w) for w in WEIGHTS),
        _EXAMPLES,
        max(setting.farthest(_EXAMPLES) for setting in settings),
        parts,
        as_files(_sheet(settings, range(len(titles)), _TITLE), name),
    )


def linear_setting(d: int, *, examples: int = _EXAMPLES, seed: int = _SEED) -> LinearSetting:
    """The setting of the page in d coordinates, exact and simulated."""
    eta, eps = strengths(d)
    truth = tuple(exact(P, d, eta, eps, w) for w in WEIGHTS)
    found = simulate(P, d, eta, eps, WEIGHTS, n=examples, seed=seed)
    best = best_clean_weight(P, d, eta)
    return LinearSetting(P, d, eta, eps, best, exact(P, d, eta, eps, best), truth, found)


def _sheet(settings: tuple[LinearSetting, ...], chosen: Sequence[int], title: str = "") -> Figure:
    """Panels side by side: accuracies against w for each setting, and last the plane."""
    width, height = _PANEL[0] * len(chosen), _PANEL[1] + (0.35 if title else 0.0)
    figure = Figure(figsize=(width, height), facecolor=CARD)
    left, bottom, wide, high = _BOX
    for at, i in enumerate(chosen):
        box = ((left + at * _PANEL[0]) / width, bottom / height, wide / width, high / height)
        axes = figure.add_axes(box)
        if i < len(settings):
            _draw_weights(axes, settings[i])
        else:
            _draw_plane(axes, settings)
        axes.tick_params(labelsize=7.5, pad=2)
        axes.set_ylim(-3, 104)
        axes.set_yticks((0, 25, 50, 75, 100))
    if title:
        figure.text(0.1 / width, 1 - 0.12 / height, title, va="top", fontsize=11, weight="bold")
    return figure


def _draw_weights(axes: Any, setting: LinearSetting) -> None:
    """The three accuracies against w: exact lines, simulated markers, the two ends apart."""
    curve = _percents(setting, _CURVE)
    points = 100 * np.array(setting.simulated)
    places = [_ENDS[0], *WEIGHTS[1:-1], _ENDS[1]]
    for column, style in enumerate(_KINDS.values()):
        axes.plot(_CURVE, curve[:, column], color=style.colour, linestyle=(0, style.dash), linewidth=1.5)
        axes.plot(places, points[:, column], style.marker, color=style.colour, markersize=4, mew=0)
    axes.set_xscale("log")
    axes.set_xticks([_ENDS[0], 0.1, 1, 10, 100, 1000, _ENDS[1]], ["0", "0.1", "1", "10", "100", "1,000", "∞"])
    axes.minorticks_off()
    axes.set_xlim(_ENDS[0] / 1.6, _ENDS[1] * 1.6)
    axes.grid(visible=False, axis="x")
    axes.set_title(f"d = {setting.d}, η = {setting.eta:.2f}, ε = {setting.eps:.2f}", **_title())
    axes.set_xlabel("weight w of the mean", fontsize=7.5, labelpad=1)
    axes.set_ylabel("accuracy, %", fontsize=7.5, labelpad=2)
    _key(axes, _KINDS)


def _draw_plane(axes: Any, settings: tuple[LinearSetting, ...]) -> None:
    """Spatial against adversarial accuracy, a curve for each setting, some weights named."""
    styles = dict(zip((f"d = {setting.d}" for setting in settings), _PLANE, strict=True))
    weights = np.concatenate([[0.0], _CURVE, [math.inf]])
    for setting, style, named in zip(settings, _PLANE, _NAMED, strict=True):
        curve, points = _percents(setting, weights), 100 * np.array(setting.simulated)
        axes.plot(curve[:, 1], curve[:, 2], color=style.colour, linestyle=(0, style.dash), linewidth=1.5)
        axes.plot(points[:, 1], points[:, 2], style.marker, color=style.colour, markersize=4, mew=0)
        for w, (_, spatial, adversarial) in zip(WEIGHTS, points, strict=True):
            if w in named:
                at, apart = (spatial, adversarial), (0, 5) if w in (0, math.inf) else (4, 3)
                text = f"w = {_weight_text(w)}"
                centred = "center" if w in (0, math.inf) else "left"
                axes.annotate(
                    text, at, apart, textcoords="offset points", ha=centred, fontsize=6.5, color=INK
                )
    axes.set_xlim(45, 104)
    axes.set_title("Both at once", **_title())
    axes.set_xlabel("spatial accuracy, %", fontsize=7.5, labelpad=1)
    axes.set_ylabel("adversarial accuracy, %", fontsize=7.5, labelpad=2)
    _key(axes, styles)


def _percents(setting: LinearSetting, ws: np.ndarray) -> np.ndarray:
    """(m, 3): exact accuracies in percent at m weights."""
    return 100 * np.array([exact(setting.p, setting.d, setting.eta, setting.eps, float(w)) for w in ws])


def _key(axes: Any, styles: dict[str, Style]) -> None:
    handles = [
        Line2D([], [], color=style.colour, linestyle=(0, style.dash), marker=style.marker, markersize=3.5)
        for style in styles.values()
    ]
    axes.legend(
        handles,
        list(styles),
        loc="upper left",
        bbox_to_anchor=(-0.03, -0.2),
        ncols=len(styles),
        frameon=False,
        fontsize=7.5,
        handlelength=2.6,
        columnspacing=1.2,
        borderaxespad=0,
        borderpad=0,
    )


def _title() -> dict[str, Any]:
    return {"loc": "left", "fontsize": 9, "weight": "bold", "pad": 6}


def _weight_text(w: float) -> str:
    return "∞" if math.isinf(w) else f"{w:g}"
