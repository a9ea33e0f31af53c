"""The cells of one measurement of a model: one for each shard of images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from bench.engine.cell import Cell, Scalar, sorted_params
from bench.engine.shards import shards
from bench.inputs.model_info import ModelInfo


@runtime_checkable
class ShardedSetting(Protocol):
    """The common fields of settings that measure shards of images."""

    @property
    def dataset(self) -> str: ...

    @property
    def data(self) -> str: ...

    @property
    def n(self) -> int: ...

    @property
    def batch(self) -> int: ...

    @property
    def protocol(self) -> str: ...

    @property
    def backend(self) -> str: ...


def shard_cells(
    setting: ShardedSetting,
    model: ModelInfo,
    *,
    kind: str,
    attack: str,
    library: str,
    params: Mapping[str, Scalar],
    norm: str | None = None,
    seed: int = 0,
) -> tuple[Cell, ...]:
    """Independent cells of the first n images without ε, in the order of the images.

    Args:
        setting: the images, their number, and the rules.
        model: the measured model.
        kind, attack, library, params, norm, seed: as in ``Cell``; ``params`` in any order.
    """
    return tuple(
        Cell(
            kind=kind,
            model=model.name,
            weights=model.weights,
            dataset=setting.dataset,
            data=setting.data,
            first=first,
            count=count,
            attack=attack,
            library=library,
            params=sorted_params(params),
            norm=norm,
            eps=None,
            seed=seed,
            protocol=setting.protocol,
            backend=model.backend(setting.backend),
            parent=None,
        )
        for first, count in shards(setting.n, setting.batch)
    )
