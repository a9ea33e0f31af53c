"""Certified accuracy against the radius: a panel for each setting, a band for each model.

The lower edge of a band is certified accuracy, the upper edge accuracy under the attacks; robust accuracy lies between.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from jaxtyping import Float64
from matplotlib.axes import Axes

from bench.numbers.eps import eps_text
from bench.pages.figures import figure_style, name_lines
from bench.pages.format import norm_text, percent
from bench.pages.marks import mark, value_text
from bench.pages.style import Style, styles
from bench.studies.certify.panels import HEIGHT, side_by_side
from bench.studies.certify.results import CertifyResult, CertifyResults

_NAME = 0.17  # inches of a line of the legend


@figure_style()
def draw_curves(settings: Sequence[CertifyResults], stem: str) -> tuple[tuple[str, ...], dict[str, bytes]]:
    """An SVG for each setting, and the files of all panels together by name."""
    first = settings[0].setting
    title = f"{first.dataset}: certified accuracy and accuracy under attack, {norm_text(first.options.norm)}"
    limit = max(_reach(model) for results in settings for model in results.models)
    foot = _NAME * max(len(results.models) for results in settings)
    draws = [partial(_panel, results=results, limit=limit) for results in settings]
    return side_by_side(draws, title, f"{stem}-curves", foot=foot)


def band(
    model: CertifyResult, limit: float
) -> tuple[Float64[np.ndarray, " m"], Float64[np.ndarray, " m"], Float64[np.ndarray, " m"]]:
    """Radii in ascending order up to ``limit``, and the shares of images just above each of them.

    Returns:
        The radii at which either share changes; the share certified by any method; the share not broken by an attack.
    """
    ends = np.concatenate([model.best[model.right], model.attack[model.attack > 0]])
    radius = np.unique([0.0, *ends[ends < limit], limit])
    certified = (model.right & (model.best > radius[:, None])).mean(axis=1)
    standing = (~(model.attack <= radius[:, None])).mean(axis=1)
    return radius, certified, standing


def _reach(model: CertifyResult) -> float:
    """The largest radius that a panel has to show."""
    found = model.attack[np.isfinite(model.attack)]
    return 1.05 * float(max(found.max(initial=0.0), model.best.max(initial=0.0))) or 1.0


def _panel(axes: Axes, results: CertifyResults, limit: float) -> None:
    options = results.setting.options
    names = [model.info.name for model in results.models]
    chosen = styles(names)
    for model in results.models:
        _model(axes, model, chosen[model.info.name], results, limit)
    axes.set_xlim(0, limit)
    axes.set_ylim(0, 100)
    label = f"σ = {options.sigma:g}" if options.sigma else "interval and Lipschitz bounds"
    axes.set_title(label, loc="left", fontsize=8.5, weight="bold")
    axes.set_xlabel(f"{norm_text(options.norm)} radius, pixel units", fontsize=7.5, labelpad=4)
    axes.set_ylabel("images, %", fontsize=7.5, labelpad=2)
    axes.tick_params(labelsize=7, pad=2)
    name_lines(axes, names, chosen, below=0.42 / HEIGHT)


def _model(axes: Axes, model: CertifyResult, style: Style, results: CertifyResults, limit: float) -> None:
    """The band of one model between its certificates and its attacks."""
    name, colour = model.info.name, style.colour
    radius, certified, standing = band(model, limit)
    area = axes.fill_between(
        radius, 100 * certified, 100 * standing, step="post", color=colour, alpha=0.13, linewidth=0
    )
    (lower,) = axes.step(
        radius, 100 * certified, where="post", color=colour, linewidth=1.5, linestyle=(0, style.dash)
    )
    (upper,) = axes.step(radius, 100 * standing, where="post", color=colour, linewidth=0.6)
    mark(area, name, part="band")
    mark(lower, name)
    mark(upper, name)
    radii = [each for each in results.setting.options.radii if each < limit]
    shares = [model.proven(each) for each in radii]
    says = [
        f"{value_text(f'certified at {eps_text(each)}', share)}, attacked {percent(model.standing(each).value)} %"
        for each, share in zip(radii, shares, strict=True)
    ]
    (dots,) = axes.plot(
        radii, [100 * share.value for share in shares], style.marker, color=colour, markersize=3, mew=0
    )
    mark(dots, name, says, "point")
