"""Stored CLEVER cells joined into results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bench.engine.splitting import TOGETHER, smallest_part
from bench.engine.store import Store
from bench.inputs.model_info import ModelInfo
from bench.studies.clever import ENGINES, CleverOptions
from bench.studies.clever.cells import bound_cells, engine_library, score_cells
from bench.studies.clever.options import counterparts
from bench.studies.clever.results import CleverResult, CleverResults, CleverSetting
from bench.studies.shared.collect import digest, history, joined, whole


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
    results = tuple(result for result in found if result is not None)
    return CleverResults(
        setting=setting,
        models=results,
        compared=_compared(store, setting, results),
        versions=versions,
        command=command,
        failed=tuple(failed),
    )


def clever_history(store: Store, dataset: str | None = None) -> list[CleverResults]:
    """All CLEVER settings a store has runs of, the newest first."""
    return history(store, "clever", dataset, read_setting, collect_clever)


def read_setting(fields: Mapping[str, Any]) -> CleverSetting:
    """The setting of the fields that a run keeps."""
    return CleverSetting(**{**fields, "options": CleverOptions(**fields["options"])})


def _result(store: Store, setting: CleverSetting, model: ModelInfo) -> CleverResult | None:
    scores = whole(store, score_cells(setting, model))
    bounds = whole(store, bound_cells(setting, model))
    if not scores or not bounds:
        return None
    arrays = {name: joined(scores, name) for name in scores[0].arrays if name != TOGETHER}
    return CleverResult(
        info=model,
        library=engine_library(setting.options.engine),
        arrays={**arrays, "distance": joined(bounds, "distance")},
        seconds=sum(shard.seconds for shard in scores),
        gradients=sum(shard.gradients for shard in scores),
        digest=digest([*scores, *bounds]),
        split=smallest_part([*scores, *bounds]),
    )


def _compared(
    store: Store, setting: CleverSetting, models: Sequence[CleverResult]
) -> dict[str, dict[str, float]]:
    """Median ratio of another engine's scores to these, for engines the store has of the same images."""
    ratios: dict[str, dict[str, float]] = {}
    for engine in ENGINES:
        others = [replace(setting, options=options) for options in counterparts(setting.options, engine)]
        for model in models if engine != setting.options.engine else ():
            found = (whole(store, score_cells(other, model.info)) for other in others)
            shards = next((each for each in found if each), [])
            both = (joined(shards, "score") > 0) & (model.scores > 0) if shards else np.zeros(1, dtype=bool)
            if both.any():
                ratio = np.median(joined(shards, "score")[both] / model.scores[both])
                ratios.setdefault(engine, {})[model.info.name] = float(ratio)
    return ratios
