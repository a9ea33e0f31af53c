"""Requests for invariance attacks, and what a store holds of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bench.engine.driver import backend
from bench.engine.protocols import SOUND
from bench.engine.store import Store
from bench.errors import UsageError
from bench.inputs.model_info import ModelInfo
from bench.numbers.eps import images_kind, parse_eps
from bench.studies.invariance.cells import BATCH, InvarianceSetting, cells_at, invariance_cells
from bench.studies.invariance.results import InvarianceResult, InvarianceResults
from bench.studies.shared.ask import Ask
from bench.studies.shared.collect import collecting, digest, joined, whole
from bench.studies.shared.evaluation import PreparedCells, images_of, looking_seconds, opened

DEFAULT_N = 200
EPS = {"digits": (0.1, 0.2, 0.3, 0.4), "photographs": (8 / 255, 16 / 255, 32 / 255)}

InvarianceEvaluation = PreparedCells[InvarianceSetting]


def prepare_invariance(ask: Ask, *, eps: str | None = None, candidates: int = 10) -> InvarianceEvaluation:
    """Resolves the request and checks every model once.

    Args:
        ask: models, data and n; its attacks are ignored.
        eps: radii with commas between; ``None`` for those of such images.
        candidates: as in ``InvarianceSetting``.

    Raises:
        UsageError: any part of it cannot be done; nothing has been measured yet.
        zoo.data.DataError: the data set has no training images.
    """
    if candidates < 1:
        raise UsageError(f"--candidates is {candidates}; it must be at least 1")
    data, n = images_of(ask, DEFAULT_N)
    training = ask.data.load(split="train", download=ask.download)
    setting = InvarianceSetting(
        dataset=data.name,
        data=data.sha256,
        training=training.sha256,
        n=n,
        radii=EPS[images_kind(data.images(0, 1).shape[1:])] if eps is None else parse_eps(eps.split(",")),
        candidates=candidates,
        protocol=SOUND.label,
        backend=backend(ask.device),
        batch=ask.batch or BATCH,
    )
    return opened(ask, data, setting, invariance_cells)


def read_setting(fields: Mapping[str, Any]) -> InvarianceSetting:
    """The setting of the fields that a run keeps."""
    return InvarianceSetting(**{**fields, "radii": tuple(fields["radii"])})


def expected_seconds(evaluation: InvarianceEvaluation, store: Store) -> float:
    """Seconds of one worker that looking at the missing images takes, without the search for nearest ones."""
    looks, batch = evaluation.setting.candidates + 1, evaluation.setting.batch
    return looking_seconds(evaluation, store, lambda _: looks, together=batch)


def _result(store: Store, setting: InvarianceSetting, model: ModelInfo) -> InvarianceResult | None:
    levels = [whole(store, cells_at(setting, model, eps)) for eps in setting.radii]
    if not all(levels):
        return None
    return InvarianceResult(
        info=model,
        counted=joined(levels[0], "right") & joined(levels[0], "near"),
        changed=np.stack([joined(each, "changed") for each in levels]),
        invariant=np.stack([joined(each, "invariant") for each in levels]),
        seconds=sum(shard.seconds for each in levels for shard in each),
        digest=digest([shard for each in levels for shard in each]),
    )


collect_invariance = collecting(_result, InvarianceResults)
