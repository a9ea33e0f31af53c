"""Maximum invariant perturbations from end to end: what was asked, what runs, and what came out."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bench.evaluation import Ask, check_device, checked_n, open_models
from bench.executors import Bench, Executor, one_thread
from bench.judge import look
from bench.mip.cells import SHARD, MipSetting, check_options, mip_cells
from bench.mip.results import MipResult, MipResults
from bench.plan import Lane
from bench.protocols import SOUND
from bench.results import ModelInfo
from bench.run import Failure, backend, driver, versions
from bench.sources import DataSource, Images, ModelSource
from bench.store import Store

DEFAULT_N = 200
DEFAULT_DRAWS = 10
DEFAULT_GRID = 100


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MipEvaluation:
    """An evaluation that can be run; the fields are those of ``bench.evaluation.Evaluation``."""

    setting: MipSetting
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
        """A lane for each cell: none waits for another."""
        return tuple(
            Lane(clean=cell, request=None, library="", eps=(), chained=False, seed=0)
            for model in self.infos
            for cell in mip_cells(self.setting, model)
        )


def prepare_mip(
    ask: Ask, *, draws: int = DEFAULT_DRAWS, grid: int = DEFAULT_GRID, fill: str = "black"
) -> MipEvaluation:
    """Resolves what was asked and looks once at every model.

    Args:
        ask: models, data, n and seed; its attacks and ε are not looked at.
        draws, grid, fill: as in ``MipSetting``.

    Raises:
        UsageError: anything about it cannot be done; nothing has been measured yet.
    """
    check_options(draws, grid, fill)
    check_device(ask.device)
    data = ask.data.load(download=ask.download)
    n = checked_n(ask.n, data, DEFAULT_N)
    models, bench = open_models(ask, data, n)
    setting = MipSetting(
        dataset=data.name,
        data=data.sha256,
        n=n,
        draws=draws,
        grid=grid,
        fill=fill,
        seed=ask.seed,
        protocol=SOUND.label,
        backend=backend(ask.device),
    )
    return MipEvaluation(
        setting=setting,
        models=models,
        data=data,
        source=ask.data,
        device=ask.device,
        command=ask.command,
        bench=bench,
    )


def run_mip(
    evaluation: MipEvaluation,
    store: Store,
    executor: Executor,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[MipResults, tuple[Failure, ...]]:
    """Runs what the store lacks and collects what it then holds."""
    failures = driver((evaluation,), store, executor, progress).run(evaluation.lanes)
    results = collect_mip(
        store,
        evaluation.setting,
        evaluation.infos,
        versions=versions(),
        command=evaluation.command,
        failed=[str(failure) for failure in failures],
    )
    store.put_run(_manifest(results, evaluation.infos))
    return results, failures


def collect_mip(
    store: Store,
    setting: MipSetting,
    models: Sequence[ModelInfo],
    *,
    versions: Mapping[str, str],
    command: str,
    failed: Sequence[str] = (),
) -> MipResults:
    """What the store holds of an evaluation; a model with a cell missing is left out."""
    found = [_result(store, setting, model) for model in models]
    return MipResults(
        setting=setting,
        models=tuple(result for result in found if result is not None),
        versions=versions,
        command=command,
        failed=tuple(failed),
    )


def mip_history(store: Store, dataset: str | None = None) -> list[MipResults]:
    """All settings a store has runs of, the one asked for last first."""
    found: dict[MipSetting, tuple[dict[ModelInfo, None], Mapping[str, Any]]] = {}
    for run in store.runs():
        if run.get("kind") != "mip" or dataset not in (None, run["setting"]["dataset"]):
            continue
        setting = MipSetting(**run["setting"])
        models, _ = found.pop(setting, ({}, {}))
        models.update(dict.fromkeys(ModelInfo(**each) for each in run["models"]))
        found[setting] = (models, run)
    return [
        collect_mip(store, setting, list(models), versions=run["versions"], command=run["command"])
        for setting, (models, run) in reversed(found.items())
    ]


def most_seconds(evaluation: MipEvaluation, store: Store) -> float:
    """Seconds of one worker that the missing cells take at most: if all images withstood everything."""
    total = 0.0
    for _, info in evaluation.models:
        cells = mip_cells(evaluation.setting, info)
        images = sum(cell.count for cell in cells if store.get(cell.key) is None)
        if images:
            looks = images * evaluation.setting.draws * evaluation.setting.grid
            total += looks * _look_seconds(evaluation, info)
    return total


def _look_seconds(evaluation: MipEvaluation, info: ModelInfo) -> float:
    model = evaluation.bench.model(info.weights, evaluation.device)
    x = evaluation.data.images(0, min(SHARD, evaluation.setting.n)).to(evaluation.device)
    with one_thread():
        y = model(x).argmax(dim=1)
        start = time.perf_counter()
        look(model, x, y)
        return (time.perf_counter() - start) / len(x)


def _manifest(results: MipResults, models: Sequence[ModelInfo]) -> dict[str, Any]:
    return {
        "schema": 1,
        "kind": "mip",
        "setting": asdict(results.setting),
        "models": [asdict(model) for model in models],
        "versions": dict(results.versions),
        "command": results.command,
    }


def _result(store: Store, setting: MipSetting, model: ModelInfo) -> MipResult | None:
    shards = [store.get(cell.key) for cell in mip_cells(setting, model)]
    whole = [shard.result for shard in shards if shard is not None]
    if len(whole) < len(shards):
        return None
    return MipResult(
        info=model,
        steps=np.concatenate([result.arrays["steps"] for result in whole]),
        right=np.concatenate([result.arrays["standing"] for result in whole]),
        grid=setting.grid,
        seconds=sum(result.seconds for result in whole),
        digest=hashlib.sha256("".join(result.digest for result in whole).encode()).hexdigest(),
    )
