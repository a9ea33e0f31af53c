"""Designs and fusion weights, as the page shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.studies.theory.design import Part
from bench.studies.theory.diagram import diagram
from bench.studies.theory.measured import ModelTheory


@dataclass(frozen=True, slots=True)
class DesignFigure:
    """A design with the names of the models that have it."""

    names: tuple[str, ...]
    svg: str


@dataclass(frozen=True, slots=True)
class FusionRow:
    """A model that sums its branches, and the weight of each, by the branch's kind."""

    name: str
    weights: dict[str, float]


def design_figures(models: Sequence[ModelTheory]) -> list[DesignFigure]:
    """One for each design, in the order of the models."""
    found: dict[tuple[Part, ...], list[str]] = {}
    for model in models:
        if model.design:
            found.setdefault(model.design.parts, []).append(model.info.name)
    return [DesignFigure(tuple(names), diagram(parts)) for parts, names in found.items()]


def fusion_rows(models: Sequence[ModelTheory]) -> list[FusionRow]:
    """One row a model with a weighted sum; training seeds are in the names."""
    return [
        FusionRow(
            model.info.name, dict(zip(model.design.branches, model.design.fusion.tolist(), strict=True))
        )
        for model in models
        if model.design and len(model.design.fusion)
    ]
