"""Gradients as vectors, in the rows of the page's tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.studies.theory.intervals import Interval, median_interval
from bench.studies.theory.measured import ModelTheory


@dataclass(frozen=True, slots=True)
class VectorRow:
    """A model's gradients on orbits: medians over images.

    Attributes:
        margin, jacobian: errors of Lemmas 3 and 4, the largest of the turns.
        gap, turned_back: of the orbit's average, in units of the gradient's length and of the change at each step.
        steps: ``gap`` over the change, an interval a step.
    """

    name: str
    margin: Interval
    jacobian: Interval
    gap: Interval
    steps: tuple[Interval, ...]
    turned_back: Interval


@dataclass(frozen=True, slots=True)
class ScaleRow:
    """A model's gradients along scales: medians over images."""

    name: str
    scaled: bool
    spread: Interval
    damping: Interval
    varying: Interval
    mean_varying: Interval


def vector_rows(models: Sequence[ModelTheory], seed: int) -> list[VectorRow]:
    """One row a model whose gradients were measured."""
    return [
        VectorRow(
            name=model.info.name,
            margin=median_interval(found.turned.worst(), seed=seed),
            jacobian=median_interval(found.turned.worst("jacobian"), seed=seed),
            gap=median_interval(found.average.relative, seed=seed),
            steps=tuple(median_interval(row, seed=seed) for row in found.average.ratio()),
            turned_back=median_interval(found.average.ratio("turned_back")[0], seed=seed),
        )
        for model in models
        if (found := model.gradients)
    ]


def scale_rows(models: Sequence[ModelTheory], seed: int) -> list[ScaleRow]:
    """One row a model whose gradients were measured."""
    return [
        ScaleRow(
            name=model.info.name,
            scaled=model.scaled,
            spread=median_interval(found.scales.spread, seed=seed),
            damping=median_interval(found.scales.damping, seed=seed),
            varying=median_interval(found.scales.varying, seed=seed),
            mean_varying=median_interval(found.scales.mean_varying, seed=seed),
        )
        for model in models
        if (found := model.gradients)
    ]
