"""Requests for maximum invariant perturbations, and what a store holds of them."""

from __future__ import annotations

from bench.engine.driver import backend
from bench.engine.protocols import SOUND
from bench.engine.store import Store
from bench.inputs.model_info import ModelInfo
from bench.studies.mip.cells import BATCH, MipSetting, check_options, mip_cells
from bench.studies.mip.results import MipResult, MipResults
from bench.studies.shared.ask import Ask
from bench.studies.shared.collect import collecting, digest, joined, whole
from bench.studies.shared.evaluation import PreparedCells, images_of, looking_seconds, opened

DEFAULT_N = 200
DEFAULT_DRAWS = 10
DEFAULT_GRID = 100

MipEvaluation = PreparedCells[MipSetting]


def prepare_mip(
    ask: Ask, *, draws: int = DEFAULT_DRAWS, grid: int = DEFAULT_GRID, fill: str = "black"
) -> MipEvaluation:
    """Resolves the request and checks every model once.

    Args:
        ask: models, data, n and seed; its attacks and ε are ignored.
        draws, grid, fill: as in ``MipSetting``.

    Raises:
        UsageError: any part of it cannot be done; nothing has been measured yet.
    """
    check_options(draws, grid, fill)
    data, n = images_of(ask, DEFAULT_N)
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
        batch=ask.batch or BATCH,
    )
    return opened(ask, data, setting, mip_cells)


def most_seconds(evaluation: MipEvaluation, store: Store) -> float:
    """Seconds of one worker that the missing cells take at most: if all images withstood everything."""
    setting = evaluation.setting
    return looking_seconds(evaluation, store, lambda _: setting.draws * setting.grid, together=setting.batch)


def _result(store: Store, setting: MipSetting, model: ModelInfo) -> MipResult | None:
    shards = whole(store, mip_cells(setting, model))
    if not shards:
        return None
    return MipResult(
        info=model,
        steps=joined(shards, "steps"),
        right=joined(shards, "standing"),
        grid=setting.grid,
        seconds=sum(shard.seconds for shard in shards),
        digest=digest(shards),
    )


collect_mip = collecting(_result, MipResults)
