"""A CLEVER evaluation from end to end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bench.clever import clever, parse_options
from bench.clever.cells import SHARD, score_cells
from bench.clever.results import CleverResults, CleverSetting
from bench.clever.scores import check_model
from bench.clever_collect import clever_lanes, clever_manifest, collect_clever
from bench.evaluation import Ask, check_device, checked_n, open_models
from bench.executors import Bench, Executor, one_thread
from bench.plan import Lane
from bench.protocols import SOUND
from bench.results import ModelInfo
from bench.run import Failure, backend, driver, versions
from bench.sources import DataSource, Images, ModelSource
from bench.store import Store

DEFAULT_N = 20


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CleverEvaluation:
    """An evaluation that can be run; the fields are those of ``bench.evaluation.Evaluation``."""

    setting: CleverSetting
    models: tuple[tuple[ModelSource, ModelInfo], ...]
    data: Images
    source: DataSource
    device: str
    command: str
    bench: Bench

    @property
    def infos(self) -> tuple[ModelInfo, ...]:
        """The models without their sources."""
        return tuple(info for _, info in self.models)

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The plan."""
        return clever_lanes(self.setting, self.infos)


def prepare_clever(ask: Ask, options: Mapping[str, Any]) -> CleverEvaluation:
    """Resolves what was asked and looks once at every model.

    Args:
        ask: models, data and n; its attacks and ε are not looked at.
        options: as ``bench.clever.parse_options`` takes them.

    Raises:
        UsageError: anything about it cannot be done, e.g. a model that gives probabilities.
    """
    check_device(ask.device)
    data = ask.data.load(download=ask.download)
    n = checked_n(ask.n, data, DEFAULT_N)
    first = data.images(0, min(SHARD, n)).to(ask.device)
    chosen = parse_options(image_shape=tuple(first.shape[1:]), seed=ask.seed, **options)
    models, bench = open_models(ask, data, n)
    for _, info in models:
        check_model(info.name, bench.model(info.weights, ask.device), first, chosen)
    setting = CleverSetting(
        dataset=data.name,
        data=data.sha256,
        n=n,
        options=chosen,
        protocol=SOUND.label,
        backend=backend(ask.device),
    )
    return CleverEvaluation(
        setting=setting,
        models=models,
        data=data,
        source=ask.data,
        device=ask.device,
        command=ask.command,
        bench=bench,
    )


def run_clever(
    evaluation: CleverEvaluation,
    store: Store,
    executor: Executor,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[CleverResults, tuple[Failure, ...]]:
    """Runs what the store lacks and collects what it then holds."""
    failures = driver((evaluation,), store, executor, progress).run(evaluation.lanes)
    results = collect_clever(
        store,
        evaluation.setting,
        evaluation.infos,
        versions=versions(),
        command=evaluation.command,
        failed=[str(failure) for failure in failures],
    )
    store.put_run(clever_manifest(results, evaluation.infos))
    return results, failures


def expected_seconds(evaluation: CleverEvaluation, store: Store) -> float:
    """Seconds of one worker that the missing scores take, from one image of each model scored now.

    A tenth of the samples are taken and the time scaled up, so fits that take long are overestimated.
    """
    total = 0.0
    for _, info in evaluation.models:
        missing = [cell for cell in score_cells(evaluation.setting, info) if store.get(cell.key) is None]
        images = sum(cell.count for cell in missing)
        if images:
            total += images * _image_seconds(evaluation, info)
    return total


def _image_seconds(evaluation: CleverEvaluation, info: ModelInfo) -> float:
    model = evaluation.bench.model(info.weights, evaluation.device)
    options = evaluation.setting.options
    few = replace(options, samples=max(1, options.samples // 10))
    x = evaluation.data.images(0, 1).to(evaluation.device)
    with one_thread():
        label = model(x).argmax(dim=1)
        start = time.perf_counter()
        clever(model, x, label, few, first=0)
        return (time.perf_counter() - start) * options.samples / few.samples
