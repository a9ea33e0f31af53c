"""Stored CLEVER cells joined into results."""

from __future__ import annotations

from collections.abc import Mapping
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
from bench.studies.shared.collect import collecting, digest, history, joined, whole


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
        compared=_compared(store, setting, model, arrays["score"]),
    )


def _compared(store: Store, setting: CleverSetting, model: ModelInfo, scores: np.ndarray) -> dict[str, float]:
    """Median ratio of other engines' scores to these, for engines the store has of the same images."""
    ratios = {}
    for engine in ENGINES:
        others = counterparts(setting.options, engine) if engine != setting.options.engine else ()
        cells = (score_cells(replace(setting, options=options), model) for options in others)
        shards = next(filter(None, (whole(store, each) for each in cells)), [])
        both = (joined(shards, "score") > 0) & (scores > 0) if shards else np.zeros(1, dtype=bool)
        if both.any():
            ratios[engine] = float(np.median(joined(shards, "score")[both] / scores[both]))
    return ratios


collect_clever = collecting(_result, CleverResults)
