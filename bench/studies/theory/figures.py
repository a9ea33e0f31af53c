"""Figures of the theory page, as SVG elements with one row for each model."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.pages.figures import figure_style, inline
from bench.pages.format import figure_label
from bench.pages.marks import mark
from bench.pages.style import CARD, LINE, MUTED, Style, styles
from bench.studies.theory import ModelTheory, median_interval
from bench.studies.theory.gradients import quotient

_WIDTH, _ROW, _NAMES = 7.2, 0.24, 1.9  # inches
_FLOOR = 1e-17  # where an exact 0 is drawn on a logarithmic axis
_MOST_POINTS = 200
_MARKERS = ("o", "s", "D", "^")


@figure_style()
def spread_figure(models: Sequence[ModelTheory], stem: str) -> str:
    """The relative spread of the margin gradient's L2 norm over the orbit.

    A point for each of the first 200 images, a bar for the median of all.
    """

    def row(axes: Axes, model: ModelTheory, at: int, style: Style) -> None:
        values = np.maximum(model.orbit.spread(), _FLOOR)
        points = values[:_MOST_POINTS]
        height = at + np.linspace(-0.22, 0.22, len(points))
        (dots,) = axes.plot(points, height, ".", color=style.colour, markersize=2.5, alpha=0.6, mew=0)
        (bar,) = axes.plot(
            [float(np.median(values))] * 2, [at - 0.36, at + 0.36], color=style.colour, linewidth=1.6
        )
        mark(dots, model.info.name, part="point")
        mark(bar, model.info.name)

    axes, figure = _rows(models, row, "relative spread of ‖∇(z_c − z_j)‖₂ over the four turns")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    return inline(figure, f"{stem}-spread")


@figure_style()
def margin_figure(models: Sequence[ModelTheory], stem: str, *, scaled: bool = False) -> str:
    """Margins of the images as they are: a point for each of the first 200, a cross where the class is wrong.

    A bar is the median of the right ones. ``scaled`` divides each margin by the L2 norm of its gradient.
    """

    def row(axes: Axes, model: ModelTheory, at: int, style: Style) -> None:
        orbit = model.orbit
        values = quotient(orbit.margin[0], orbit.norms["l2"][0]) if scaled else orbit.margin[0]
        height = at + np.linspace(-0.22, 0.22, min(len(values), _MOST_POINTS))
        for kept, shape in ((orbit.right, "."), (~orbit.right, "x")):
            shown = kept[:_MOST_POINTS] & np.isfinite(values[:_MOST_POINTS])
            (dots,) = axes.plot(
                values[:_MOST_POINTS][shown],
                height[shown],
                shape,
                color=style.colour,
                markersize=2.5,
                alpha=0.6,
            )
            mark(dots, model.info.name, part="point")
        if orbit.right.any():
            middle = float(np.median(values[orbit.right]))
            (bar,) = axes.plot([middle] * 2, [at - 0.36, at + 0.36], color=style.colour, linewidth=1.6)
            mark(bar, model.info.name)

    unit = "margin / ‖its gradient‖₂, in pixel values" if scaled else "margin z_c − z_j, in logits"
    axes, figure = _rows(models, row, unit)
    axes.set_xlim(left=0)
    return inline(figure, f"{stem}-{'distances' if scaled else 'margins'}")


@figure_style()
def ratio_figure(models: Sequence[ModelTheory], stem: str, seed: int) -> str:
    """The proxy's median ratio with its interval, a marker an angle."""

    def row(axes: Axes, model: ModelTheory, at: int, style: Style) -> None:
        ratios = model.tangent.ratio
        for i, values in enumerate(ratios):
            found = median_interval(values, seed=seed)
            if not math.isfinite(found.hi):
                continue
            height = at + 0.24 * (i - (len(ratios) - 1) / 2)
            (bar,) = axes.plot([found.lo, found.hi], [height] * 2, color=style.colour, linewidth=1)
            (dot,) = axes.plot(
                [found.value], [height], _MARKERS[i % len(_MARKERS)], color=style.colour, markersize=3, mew=0
            )
            mark(bar, model.info.name)
            said = f"{model.tangent.angles[i]:g}°: {found.value:.3g} ({found.lo:.3g} to {found.hi:.3g})"
            mark(dot, model.info.name, [said], "point")

    axes, figure = _rows(models, row, "gradient change along a small rotation / across it (median)")
    axes.axvline(1.0, color=MUTED, linewidth=0.8)
    axes.set_xlim(left=0)
    return inline(figure, f"{stem}-ratio")


def _rows(
    models: Sequence[ModelTheory], draw: Callable[[Axes, ModelTheory, int, Style], None], label: str
) -> tuple[Any, Figure]:
    """A row a model, the first on top; its colour is its recipe or, with few models, its own."""
    names = [model.info.name for model in models]
    chosen = styles(names)
    height = 0.65 + _ROW * len(models)
    figure = Figure(figsize=(_WIDTH, height), facecolor=CARD)
    box = (_NAMES / _WIDTH, 0.5 / height, (_WIDTH - _NAMES - 0.15) / _WIDTH, 1 - 0.6 / height)
    axes = figure.add_axes(box)
    for at, model in enumerate(models):
        draw(axes, model, at, chosen[model.info.name])
    axes.set_yticks(range(len(names)), [figure_label(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="y", color=LINE, linewidth=0.4)
    axes.set_xlabel(label)
    return axes, figure
