"""A CLEVER evaluation from end to end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from bench.apart_evaluation import Apart, images_of, opened, run_apart
from bench.cell import Cell
from bench.clever import clever, parse_options
from bench.clever.cells import SHARD, bound_cells, score_cells
from bench.clever.results import CleverResults, CleverSetting
from bench.clever.scores import check_model
from bench.clever_collect import collect_clever
from bench.evaluation import Ask
from bench.executors import Executor, one_thread
from bench.protocols import SOUND
from bench.results import ModelInfo
from bench.run import Failure, backend
from bench.store import Store

DEFAULT_N = 20

CleverEvaluation = Apart[CleverSetting]


def prepare_clever(ask: Ask, options: Mapping[str, Any]) -> CleverEvaluation:
    """Resolves what was asked and looks once at every model.

    Args:
        ask: models, data and n; its attacks and ε are not looked at.
        options: as ``bench.clever.parse_options`` takes them.

    Raises:
        UsageError: anything about it cannot be done, e.g. a model that gives probabilities.
    """
    data, n = images_of(ask, DEFAULT_N)
    first = data.images(0, min(SHARD, n)).to(ask.device)
    chosen = parse_options(image_shape=tuple(first.shape[1:]), seed=ask.seed, **options)
    setting = CleverSetting(
        dataset=data.name,
        data=data.sha256,
        n=n,
        options=chosen,
        protocol=SOUND.label,
        backend=backend(ask.device),
    )
    evaluation = opened(ask, data, setting, _cells)
    for info in evaluation.infos:
        check_model(info.name, evaluation.bench.model(info.weights, ask.device), first, chosen)
    return evaluation


def run_clever(
    evaluation: CleverEvaluation,
    store: Store,
    executor: Executor,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[CleverResults, tuple[Failure, ...]]:
    """Runs what the store lacks and collects what it then holds."""
    return run_apart(evaluation, "clever", collect_clever, store, executor, progress)


def expected_seconds(evaluation: CleverEvaluation, store: Store) -> float:
    """Seconds of one worker that the missing scores take, from one image of each model scored now.

    A tenth of the samples are taken and the time scaled up, so fits that take long are overestimated.
    """
    total = 0.0
    for info in evaluation.infos:
        missing = [cell for cell in score_cells(evaluation.setting, info) if store.get(cell.key) is None]
        images = sum(cell.count for cell in missing)
        if images:
            total += images * _image_seconds(evaluation, info)
    return total


def _cells(setting: CleverSetting, model: ModelInfo) -> tuple[Cell, ...]:
    return (*score_cells(setting, model), *bound_cells(setting, model))


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
