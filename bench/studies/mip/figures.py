"""The figure of the page on maximum invariant perturbations: a row for each model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from bench.pages.figures import as_files, figure_style, inline
from bench.pages.format import figure_label
from bench.pages.marks import mark
from bench.pages.style import CARD, INK, LINE, styles
from bench.studies.mip.results import MipResult

_WIDTH, _ROW, _NAMES = 7.2, 0.42, 1.9  # inches
_HALF = 0.42  # of a row that the widest place of a violin takes
_BINS = 50


@figure_style()
def draw_mip(models: Sequence[MipResult], title: str, stem: str) -> tuple[str, dict[str, bytes]]:
    """The distributions over images and draws: the SVG for the page, and the files beside it by name."""
    shown = [model for model in models if model.rates.size]
    return inline(_rows(shown), f"{stem}-page"), as_files(_rows(shown, title), stem)


def _rows(models: Sequence[MipResult], title: str = "") -> Figure:
    """A histogram as a violin, the quartiles as a bar, the median as a dot and the mean as a cross."""
    names = [model.info.name for model in models]
    chosen = styles(names)
    head = 0.35 if title else 0.1
    height = 0.55 + head + _ROW * max(1, len(models))
    figure = Figure(figsize=(_WIDTH, height), facecolor=CARD)
    box = (_NAMES / _WIDTH, 0.5 / height, (_WIDTH - _NAMES - 0.15) / _WIDTH, 1 - (0.55 + head) / height)
    axes = figure.add_axes(box)
    for at, model in enumerate(models):
        rates = 100 * model.rates.ravel()
        counts, edges = np.histogram(rates, bins=min(_BINS, model.grid), range=(0, 100))
        half = _HALF * counts / counts.max()
        colour = chosen[model.info.name].colour
        shape = axes.stairs(
            at - half, edges, baseline=at + half, fill=True, color=colour, alpha=0.35, linewidth=0
        )
        lower, median, upper = (100 * value for value in model.quantiles())
        (bar,) = axes.plot([lower, upper], [at, at], color=colour, linewidth=2.4, solid_capstyle="butt")
        (dot,) = axes.plot([median], [at], "o", color=INK, markersize=3.6, mew=0)
        (cross,) = axes.plot([100 * model.mean().value], [at], "x", color=INK, markersize=4, mew=0.9)
        mark(shape, model.info.name, part="band")
        mark(bar, model.info.name)
        mark(
            dot, model.info.name, [f"median {median:.1f} % ({lower:.1f} to {upper:.1f}, quartiles)"], "point"
        )
        mark(cross, model.info.name, [f"mean {100 * model.mean().value:.1f} %"], "point")
    axes.set_yticks(range(len(names)), [figure_label(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(0, 100)
    axes.grid(axis="y", color=LINE, linewidth=0.4)
    axes.set_xlabel("pixel values removed before the first misclassification, %")
    if title:
        text = " ".join(title.split())
        figure.text(0.1 / _WIDTH, 1 - 0.12 / height, text, va="top", fontsize=9, weight="bold")
    return figure
