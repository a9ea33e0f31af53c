"""The figure of the page on certificates: a panel for each model, in which every image is one line upward."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from bench.pages.figures import figure_style
from bench.pages.format import figure_label, norm_text
from bench.pages.style import INK, LINE, MUTED, PALETTE, WRONG
from bench.studies.certify.panels import side_by_side
from bench.studies.certify.results import CertifyResult, CertifySetting

METHODS = {"ibp": (PALETTE[2], "s"), "lipschitz": (PALETTE[4], "v"), "smoothing": (PALETTE[2], "s")}
ESTIMATE, ABOVE = PALETTE[0], PALETTE[1]
DECADES = 6  # largest range below the largest attack; smaller values, and 0, are on the bottom edge
MOST = 120  # images drawn for a model, spread evenly over the ranking; violations are always drawn


@figure_style()
def draw_certificates(
    models: Sequence[CertifyResult], setting: CertifySetting, stem: str
) -> tuple[tuple[str, ...], dict[str, bytes]]:
    """An SVG for each of these models, which have right images, and the files of all panels together by name."""
    title = f"{setting.dataset}: certificate, estimate and attack, {norm_text(setting.options.norm)}"
    draws = [partial(_panel, model=model, setting=setting) for model in models]
    return side_by_side(draws, title, f"{stem}-sandwich")


def _panel(axes: Axes, model: CertifyResult, setting: CertifySetting) -> None:
    """One model: images from left to right by the size of their attack, each as a line from certificate to attack."""
    order = _ranked(model)
    attack, best = model.attack[order], model.best[order]
    finite = attack[np.isfinite(attack) & (attack > 0)]
    top = 2 * float(max(finite.max(initial=0.0), best.max(initial=0.0)) or 1.0)
    bottom = max(top * 10.0**-DECADES, _drawn(model, order).min(initial=top) / 2)
    place = np.arange(len(order))
    ends = np.where(np.isfinite(attack), attack, top)
    axes.vlines(place, np.maximum(best, bottom), ends, color=LINE, linewidth=1.0, zorder=1)
    _marks(axes, place, ends, ~np.isnan(attack), INK, "_", 4.5)
    _marks(axes, place, ends, np.isnan(attack), MUTED, "^", 3.5)
    if model.clever is not None:
        score = model.clever[order]
        above = score > ends
        _marks(axes, place, score, ~above, ESTIMATE, "o", 2.6)
        _marks(axes, place, score, above, ABOVE, "X", 4.0)
    for method, found in model.radii.items():
        colour, marker = METHODS[method]
        values = np.maximum(found[order], bottom)
        wrong = model.violated(method)[order]
        _marks(axes, place, values, ~wrong, colour, marker, 2.8)
        _marks(axes, place, values, wrong, WRONG, "X", 6.0)
    axes.set_yscale("log")
    axes.set_ylim(bottom, top)
    axes.set_xlim(-1, len(order))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_title(figure_label(model.info.name), loc="left", fontsize=8.5, weight="bold")
    axes.set_xlabel("images by size of attack", fontsize=7.5, labelpad=4)
    axes.set_ylabel(f"{norm_text(setting.options.norm)}, pixel units", fontsize=7.5, labelpad=2)
    axes.tick_params(labelsize=7, pad=2)
    axes.set_xticks([])


def _drawn(model: CertifyResult, order: np.ndarray) -> np.ndarray:
    """All values above 0 of the images that are drawn."""
    kinds = [
        found[order] for found in (*model.radii.values(), model.attack, model.clever) if found is not None
    ]
    values = np.concatenate(kinds)
    return values[values > 0]


def _ranked(model: CertifyResult) -> np.ndarray:
    """Places of the right images that are drawn, the smallest attack first; those not broken last."""
    right = model.right.nonzero()[0]
    order = right[
        np.argsort(np.where(np.isnan(model.attack[right]), np.inf, model.attack[right]), kind="stable")
    ]
    chosen = np.unique(np.linspace(0, len(order) - 1, min(MOST, len(order))).round().astype(int))
    bad = np.any([model.violated(method)[order] for method in model.radii], axis=0).nonzero()[0]
    return order[np.unique([*chosen, *bad])]


def _marks(
    axes: Axes, x: np.ndarray, y: np.ndarray, chosen: np.ndarray, colour: str, marker: str, size: float
) -> None:
    if chosen.any():
        edge = 1.2 if marker == "_" else 0.0
        axes.plot(
            x[chosen], y[chosen], marker, color=colour, markersize=size, mew=edge, clip_on=False, zorder=3
        )
