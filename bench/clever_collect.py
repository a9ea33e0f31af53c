"""Stored CLEVER cells joined into results."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bench.cell import Cell
from bench.clever import ENGINES, CleverOptions
from bench.clever.cells import bound_cells, engine_library, score_cells
from bench.clever.results import CleverResult, CleverResults, CleverSetting
from bench.plan import Lane
from bench.results import ModelInfo
from bench.store import Store, Stored


def clever_lanes(setting: CleverSetting, models: Iterable[ModelInfo]) -> tuple[Lane, ...]:
    """A lane for each cell: none waits for another."""
    return tuple(
        Lane(clean=cell, request=None, library="", eps=(), chained=False, seed=0)
        for model in models
        for cell in (*score_cells(setting, model), *bound_cells(setting, model))
    )


def collect_clever(
    store: Store,
    setting: CleverSetting,
    models: Sequence[ModelInfo],
    *,
    versions: Mapping[str, str],
    command: str,
    failed: Sequence[str] = (),
) -> CleverResults:
    """What the store holds of an evaluation; a model with a cell missing is left out."""
    found = [_result(store, setting, model) for model in models]
    whole = tuple(result for result in found if result is not None)
    return CleverResults(
        setting=setting,
        models=whole,
        compared=_compared(store, setting, whole),
        versions=versions,
        command=command,
        failed=tuple(failed),
    )


def clever_manifest(results: CleverResults, models: Sequence[ModelInfo]) -> dict[str, Any]:
    """What a store keeps so that the page can be drawn again."""
    from dataclasses import asdict

    return {
        "schema": 1,
        "kind": "clever",
        "setting": asdict(results.setting),
        "models": [asdict(model) for model in models],
        "versions": dict(results.versions),
        "command": results.command,
    }


def clever_history(store: Store, dataset: str | None = None) -> list[CleverResults]:
    """All CLEVER settings a store has runs of, the one asked for last first."""
    found: dict[CleverSetting, tuple[dict[ModelInfo, None], Mapping[str, Any]]] = {}
    for run in store.runs():
        if run.get("kind") != "clever" or dataset not in (None, run["setting"]["dataset"]):
            continue
        fields = run["setting"]
        setting = CleverSetting(**{**fields, "options": CleverOptions(**fields["options"])})
        models, _ = found.pop(setting, ({}, {}))
        models.update(dict.fromkeys(ModelInfo(**each) for each in run["models"]))
        found[setting] = (models, run)
    return [
        collect_clever(store, setting, list(models), versions=run["versions"], command=run["command"])
        for setting, (models, run) in reversed(found.items())
    ]


def _result(store: Store, setting: CleverSetting, model: ModelInfo) -> CleverResult | None:
    scores = _stored(store, score_cells(setting, model))
    bounds = _stored(store, bound_cells(setting, model))
    if not scores or not bounds:
        return None
    arrays = {name: _joined(scores, name) for name in scores[0].result.arrays}
    digests = "".join(shard.result.digest for shard in (*scores, *bounds))
    return CleverResult(
        info=model,
        library=engine_library(setting.options.engine),
        arrays={**arrays, "distance": _joined(bounds, "distance")},
        seconds=sum(shard.result.seconds for shard in scores),
        gradients=sum(shard.result.gradients for shard in scores),
        digest=hashlib.sha256(digests.encode()).hexdigest(),
    )


def _stored(store: Store, cells: Iterable[Cell]) -> list[Stored]:
    """The results of all the cells, or none if one is missing."""
    found = [store.get(cell.key) for cell in cells]
    return [each for each in found if each is not None] if all(found) else []


def _joined(shards: Sequence[Stored], name: str) -> np.ndarray:
    return np.concatenate([shard.result.arrays[name] for shard in shards])


def _compared(
    store: Store, setting: CleverSetting, models: Sequence[CleverResult]
) -> dict[str, dict[str, float]]:
    """Median ratio of another engine's scores to these, for engines the store has of the same setting."""
    ratios: dict[str, dict[str, float]] = {}
    for engine in ENGINES:
        other = replace(setting, options=replace(setting.options, engine=engine))
        for model in models if other != setting else ():
            shards = _stored(store, score_cells(other, model.info))
            both = (_joined(shards, "score") > 0) & (model.scores > 0) if shards else np.zeros(1, dtype=bool)
            if both.any():
                ratio = np.median(_joined(shards, "score")[both] / model.scores[both])
                ratios.setdefault(engine, {})[model.info.name] = float(ratio)
    return ratios
