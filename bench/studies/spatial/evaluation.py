"""Requests for accuracy under rotations and translations, and what a store holds of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bench.engine.cell import Cell
from bench.engine.driver import backend
from bench.engine.protocols import SOUND
from bench.engine.shards import BATCH
from bench.engine.splitting import TOGETHER, smallest_part
from bench.engine.store import Store
from bench.inputs.model_info import ModelInfo
from bench.inputs.sources import Images
from bench.studies.shared.ask import Ask
from bench.studies.shared.collect import collecting, digest, joined, whole
from bench.studies.shared.evaluation import PreparedCells, images_of, looking_seconds, opened
from bench.studies.spatial.cells import NO_ANSWER, looks, questions, spatial_cells
from bench.studies.spatial.results import SpatialOutcome, SpatialResult, SpatialResults, Worst
from bench.studies.spatial.setting import Options, SpatialSetting

DEFAULT_N = 1000

SpatialEvaluation = PreparedCells[SpatialSetting]


def prepare_spatial(ask: Ask, options: Options | None = None) -> SpatialEvaluation:
    """Resolves the request and checks every model once.

    Args:
        ask: models, data, n and seed; its attacks and ε are ignored.
        options: levels, draws, grid and way of reading; the defaults if absent.

    Raises:
        UsageError: any part of it cannot be done; nothing has been measured yet.
    """
    data, n = images_of(ask, DEFAULT_N)
    return opened(ask, data, spatial_setting(ask, data, n, options or Options()), _cells, sized=True)


def spatial_setting(ask: Ask, data: Images, n: int, options: Options) -> SpatialSetting:
    """The setting that the first n of these images are measured in."""
    return SpatialSetting(
        dataset=data.name,
        data=data.sha256,
        n=n,
        **asdict(options),
        seed=ask.seed,
        protocol=SOUND.label,
        backend=backend(ask.device),
        batch=ask.batch or BATCH,
    )


def most_seconds(evaluation: SpatialEvaluation, store: Store) -> float:
    """Seconds of one worker that the missing cells take at most: if no image broke on the grid."""
    return looking_seconds(evaluation, store, looks, together=evaluation.setting.batch)


def _cells(setting: SpatialSetting, model: ModelInfo) -> Iterator[Cell]:
    for what, level in questions(setting):
        yield from spatial_cells(setting, model, what, level)


def read_setting(fields: Mapping[str, Any]) -> SpatialSetting:
    """The setting of the fields that a run keeps."""
    lists = {name: tuple(fields[name]) for name in ("rotations", "translations")}
    return SpatialSetting(**{**fields, **lists, "grid": tuple(fields["grid"]) if fields["grid"] else None})


@dataclass(frozen=True, slots=True, eq=False)
class _Joined:
    """The cells of one question joined."""

    arrays: Mapping[str, np.ndarray]
    seconds: float
    digest: str
    split: int | None


def _result(store: Store, setting: SpatialSetting, model: ModelInfo) -> SpatialResult | None:
    found: dict[tuple[str, float | None], _Joined] = {}
    for what, level in questions(setting):
        answers = _joined(store, setting, model, what, level)
        if answers is None:
            return None
        found[what, level] = answers
    clean = found["clean", None].arrays
    grid = found.get(("grid", None))
    turned = found.get(("turn", None))
    return SpatialResult(
        info=model,
        clean=clean["right"][:, 0],
        rotations={level: _outcome(found["rotate", level], clean) for level in setting.rotations},
        translations={level: _outcome(found["translate", level], clean) for level in setting.translations},
        turned=_outcome(turned, clean) if turned else None,
        grid=_worst(grid, clean) if grid else None,
    )


def _joined(
    store: Store, setting: SpatialSetting, model: ModelInfo, what: str, level: float | None
) -> _Joined | None:
    shards = whole(store, spatial_cells(setting, model, what, level))
    if not shards:
        return None
    return _Joined(
        {name: joined(shards, name) for name in shards[0].arrays if name != TOGETHER},
        sum(shard.seconds for shard in shards),
        digest(shards),
        smallest_part(shards),
    )


def _outcome(joined: _Joined, clean: Mapping[str, np.ndarray]) -> SpatialOutcome:
    predicted = joined.arrays["predicted"]
    return SpatialOutcome(
        right=joined.arrays["right"],
        changed=(predicted != clean["predicted"]) | (predicted == NO_ANSWER),
        clean=clean["right"][:, 0],
        seconds=joined.seconds,
        digest=joined.digest,
        split=joined.split,
    )


def _worst(joined: _Joined, clean: Mapping[str, np.ndarray]) -> Worst:
    return Worst(
        right=joined.arrays["right"],
        clean=clean["right"][:, 0],
        queries=joined.arrays["queries"],
        seconds=joined.seconds,
        digest=joined.digest,
        split=joined.split,
    )


collect_spatial = collecting(_result, SpatialResults)
