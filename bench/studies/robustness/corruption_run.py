"""The further cells of mean corruption errors: the models on the base images, without corruption."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bench.engine.lane import Lane
from bench.engine.protocols import released_rules
from bench.engine.study import Batch
from bench.inputs.images import groups_of
from bench.inputs.model_info import ModelInfo
from bench.inputs.sources import DataSource, ModelSource
from bench.studies.robustness.corruption_errors import base_lanes
from bench.studies.robustness.evaluation import Evaluation


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class BaseImages:
    """The models of some evaluations on the images that corrupted ones were made of."""

    models: Sequence[tuple[ModelSource, ModelInfo]]
    source: DataSource
    device: str


def lanes_besides(evaluations: Sequence[Evaluation]) -> tuple[Lane, ...]:
    """Clean lanes on the base images; none where no mean corruption error is defined."""
    return tuple(
        lane
        for each in evaluations
        if (groups := groups_of(each.data)) is not None and released_rules(each.setting.protocol) is None
        for lane in base_lanes(each.setting, groups, [info for _, info in each.models])
    )


def batches_besides(evaluations: Sequence[Evaluation]) -> Iterator[Batch]:
    """``lanes_besides`` with the images they need."""
    if lanes := lanes_besides(evaluations):
        first = evaluations[0]
        models = [model for each in evaluations for model in each.models]
        base = BaseImages(models=models, source=base_source(first.source), device=first.device)
        yield Batch(planned=(base,), lanes=lanes)


def base_source(source: DataSource) -> DataSource:
    """Where the base images of a ``corrupted:`` data set come from."""
    from zoo.corruptions import split_spec

    base, _ = split_spec(source.spec.removeprefix("corrupted:"))
    return replace(source, spec=base, seed=0)
