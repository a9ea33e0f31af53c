"""The cost of each network, as rows of the page's table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.inputs.model_cost import ModelCost
from bench.inputs.model_info import ModelInfo
from bench.studies.theory.measured import ModelTheory
from bench.studies.theory.order import baseline_of


@dataclass(frozen=True, slots=True)
class CostRow:
    """A model; ``times`` is its multiply-adds over those of its baseline, ``None`` where that was not measured."""

    info: ModelInfo
    cost: ModelCost
    times: float | None


def cost_rows(models: Sequence[ModelTheory]) -> list[CostRow]:
    """One row a model whose cost was measured."""
    known = {model.info.name: model.cost for model in models if model.cost}
    return [
        CostRow(model.info, model.cost, _times(model.cost, known.get(baseline_of(model.info.name))))
        for model in models
        if model.cost
    ]


def _times(cost: ModelCost, baseline: ModelCost | None) -> float | None:
    if baseline is None or not baseline.forward.multiply_adds:
        return None
    return cost.forward.multiply_adds / baseline.forward.multiply_adds
