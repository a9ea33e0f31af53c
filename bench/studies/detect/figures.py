"""The figure of the page on detection: ROC curves of every model, under both attacks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from bench.numbers.roc import roc
from bench.pages.figures import as_files, figure_style, inline
from bench.pages.format import figure_label
from bench.pages.style import CARD, LINE, styles
from bench.studies.detect.results import Answers, DetectResult

_PANEL, _HEAD, _KEY = 3.4, 0.35, 0.2  # inches
_TITLES = ("attack that does not know the detector", "attack that does")


@figure_style()
def draw_detection(models: Sequence[DetectResult], title: str, stem: str) -> tuple[str, dict[str, bytes]]:
    """The curves at the largest ε: the SVG for the page, and the files beside it by name."""
    return inline(_curves(models), f"{stem}-page"), as_files(_curves(models, title), stem)


def _curves(models: Sequence[DetectResult], title: str = "") -> Figure:
    chosen = styles([model.info.name for model in models])
    key, head = _KEY * len(models) + 0.1, _HEAD if title else 0.1
    height = _PANEL + key + head
    figure = Figure(figsize=(2 * _PANEL, height), facecolor=CARD)
    for side, name in enumerate(_TITLES):
        box = (side / 2 + 0.08, (key + 0.5) / height, 0.5 - 0.1, (_PANEL - 0.8) / height)
        axes = figure.add_axes(box)
        axes.plot([0, 1], [0, 1], color=LINE, linewidth=0.8)
        for model in models:
            found = model.radii[-1]
            across, up = _points(found.clean, found.adaptive if side else found.plain)
            axes.plot(
                across,
                up,
                color=chosen[model.info.name].colour,
                linewidth=1.2,
                label=figure_label(model.info.name),
            )
        axes.set_title(name, fontsize=8, loc="left")
        axes.set_xlabel("clean images flagged", fontsize=8)
        axes.set_ylabel("attacked images flagged", fontsize=8)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.tick_params(labelsize=7.5)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="lower left", frameon=False, fontsize=7.5)
    if title:
        figure.text(0.02, 1 - 0.12 / height, " ".join(title.split()), va="top", fontsize=9, weight="bold")
    return figure


def _points(clean: Answers, attacked: Answers) -> tuple[np.ndarray, np.ndarray]:
    return roc(clean.score, attacked.score[attacked.wrong])
