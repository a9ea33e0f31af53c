"""What mean corruption errors need besides an evaluation: its models on the base images, without corruption."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from bench.engine.driver import Driver, Failure
from bench.engine.executors import Executor
from bench.engine.lane import Lane
from bench.engine.protocols import released_rules
from bench.engine.store import Store
from bench.inputs.images import groups_of
from bench.inputs.sources import DataSource
from bench.studies.robustness.corruption_errors import base_lanes
from bench.studies.robustness.evaluation import Evaluation


def lanes_besides(evaluations: Sequence[Evaluation]) -> tuple[Lane, ...]:
    """Clean lanes on the base images; none where no mean corruption error is defined."""
    return tuple(
        lane
        for each in evaluations
        if (groups := groups_of(each.data)) is not None and released_rules(each.setting.protocol) is None
        for lane in base_lanes(each.setting, groups, [info for _, info in each.models])
    )


def run_besides(
    evaluations: Sequence[Evaluation],
    store: Store,
    executor: Executor,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Failure, ...]:
    """Measures what of ``lanes_besides`` the store lacks."""
    lanes = lanes_besides(evaluations)
    if not lanes:
        return ()
    models = {info.weights: source for each in evaluations for source, info in each.models}
    first = evaluations[0]
    source = base_source(first.source)
    return Driver(store, executor, models, source, device=first.device, progress=progress).run(lanes)


def base_source(source: DataSource) -> DataSource:
    """Where the base images of a ``corrupted:`` data set come from."""
    from zoo.corruptions import split_spec

    base, _ = split_spec(source.spec.removeprefix("corrupted:"))
    return replace(source, spec=base, seed=0)
