"""The paper's theory on one data set as an HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.inputs.model_info import ModelInfo
from bench.pages.format import slug
from bench.pages.frame import environment, write
from bench.studies.theory import Interval, ModelTheory, TheoryResults, interval_text, median_interval, number
from bench.studies.theory.cost_rows import cost_rows
from bench.studies.theory.design_rows import design_figures, fusion_rows
from bench.studies.theory.gradient_rows import scale_rows, vector_rows
from bench.studies.theory.lead import lead_of

_VERDICT_CLASSES = {"holds": "right", "does not hold": "wrong"}


@dataclass(frozen=True, slots=True)
class OrbitRow:
    """A model on the orbits of its images; all but ``logits`` are medians of relative spreads.

    ``kept`` is the share of images whose class is the same at all four turns.
    """

    info: ModelInfo
    logits: float
    kept: float
    margin: Interval
    l2: Interval
    l1: Interval
    linf: Interval
    jacobian: Interval
    stored: Interval


@dataclass(frozen=True, slots=True)
class ProxyRow:
    """A model at one angle: medians over images; ``still`` counts images changed neither way."""

    name: str
    angle: float
    ratio: Interval
    along: float
    across: float
    still: int


def write_theory_page(results: TheoryResults, directory: Path) -> Path:
    """Writes ``<directory>/theory-<data set>.html``, self-contained, whole or not at all; its path.

    Raises:
        UsageError: the directory cannot be written.
    """
    stem = f"theory-{slug(results.dataset)}"
    return write(directory / f"{stem}.html", results, lambda: (_render(results, stem), {}))


def orbit_rows(models: Sequence[ModelTheory], seed: int) -> list[OrbitRow]:
    """One row a model."""

    def median(values: np.ndarray) -> Interval:
        return median_interval(values, seed=seed)

    return [
        OrbitRow(
            info=model.info,
            logits=model.layers[-1].error,
            kept=float(model.orbit.kept.mean()),
            margin=median(model.orbit.margin_spread),
            l2=median(model.orbit.spread("l2")),
            l1=median(model.orbit.spread("l1")),
            linf=median(model.orbit.spread("linf")),
            jacobian=median(model.orbit.spread("jacobian")),
            stored=median(model.orbit.spread("stored")),
        )
        for model in models
    ]


def proxy_rows(models: Sequence[ModelTheory], seed: int) -> list[ProxyRow]:
    """One row a model and angle."""
    return [
        ProxyRow(
            model.info.name,
            angle,
            median_interval(ratio, seed=seed),
            float(np.median(along)),
            float(np.median(across)),
            int(((along == 0) & (across == 0)).sum()),
        )
        for model in models
        for angle, ratio, along, across in zip(
            model.tangent.angles, model.tangent.ratio, model.tangent.along, model.tangent.across, strict=True
        )
    ]


def _render(results: TheoryResults, stem: str) -> str:
    from bench.studies.theory.figures import margin_figure, ratio_figure, spread_figure

    models = results.models
    templates = environment()
    templates.filters |= {"number": number, "between": interval_text}
    return templates.get_template("theory.html.j2").render(
        lead=lead_of(results),
        results=results,
        classes=_VERDICT_CLASSES,
        orbits=orbit_rows(models, results.seed),
        proxies=proxy_rows(models, results.seed),
        spread=spread_figure(models, stem) if models else "",
        margins=[margin_figure(models, stem, scaled=scaled) for scaled in (False, True)] if models else [],
        ratio=ratio_figure(models, stem, results.seed) if models else "",
        vectors=vector_rows(models, results.seed),
        scales=scale_rows(models, results.seed),
        steps=next((_steps(model.gradients.average.steps) for model in models if model.gradients), ()),
        costs=cost_rows(models),
        designs=design_figures(models),
        fusions=fusion_rows(models),
        jacobians=models[0].orbit.jacobian.shape[1] if models else 0,
    )


def _steps(steps: Sequence[float]) -> list[str]:
    return [f"{255 * step:.3g}/255" for step in steps]
