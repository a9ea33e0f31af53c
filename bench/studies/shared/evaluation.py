"""Requests of studies without attack curves: a setting, models, and independent cells."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float32
from torch import nn

from bench.engine.cell import Cell
from bench.engine.judge import ask_again
from bench.engine.lane import Lane
from bench.engine.loaded import Loaded
from bench.engine.store import Store
from bench.inputs.images import checked_n
from bench.inputs.model_info import ModelInfo
from bench.inputs.sources import DataSource, Images, ModelSource
from bench.studies.shared.ask import Ask
from bench.studies.shared.batch import chosen_batch, with_batch
from bench.studies.shared.models import open_models
from bench.studies.shared.where import check_device


@runtime_checkable
class CellSetting(Protocol):
    """The common fields of every setting: it is a dataclass, and the first n images are measured."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def n(self) -> int: ...


SettingT = TypeVar("SettingT", bound=CellSetting)
ResultsT = TypeVar("ResultsT")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PreparedCells(Generic[SettingT]):
    """An evaluation that can be run: all checks have passed.

    Attributes:
        setting: what all models share.
        cells: the cells of a model in a setting; none waits for another.
        models, data, source, device, command, bench: as in ``bench.studies.robustness.evaluation.Evaluation``.
    """

    setting: SettingT
    cells: Callable[[SettingT, ModelInfo], Iterable[Cell]]
    models: tuple[tuple[ModelSource, ModelInfo], ...]
    data: Images
    source: DataSource
    device: str
    command: str
    loaded: Loaded

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return self.data.name

    @property
    def infos(self) -> tuple[ModelInfo, ...]:
        """The models without their sources."""
        return tuple(info for _, info in self.models)

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """A lane for each cell."""
        return tuple(Lane(first=cell) for model in self.infos for cell in self.cells(self.setting, model))


def images_of(ask: Ask, default: int) -> tuple[Images, int]:
    """The requested data set, and how many of its images: where none was given at most ``default``.

    Raises:
        UsageError: the device is not there, or there are not so many images.
        zoo.data.DataError: the data are missing or damaged.
    """
    check_device(ask.device)
    data = ask.data.load(download=ask.download)
    return data, checked_n(ask.n, data, default)


def opened(
    ask: Ask,
    data: Images,
    setting: SettingT,
    cells: Callable[[SettingT, ModelInfo], Iterable[Cell]],
    *,
    sized: bool = False,
) -> PreparedCells[SettingT]:
    """The evaluation of the requested models, each looked at once; errors as ``open_models``.

    Args:
        ask: the request.
        data: its images.
        setting: what all models share.
        cells: the cells of a model in a setting.
        sized: whether the setting's batch goes through a model together, so that a GPU's memory decides it.
    """
    models, loaded = open_models(ask, data, setting.n)
    command = ask.command
    if sized:
        batch = chosen_batch(ask, data, setting.n, models, loaded)
        setting, command = replace(setting, batch=batch), with_batch(command, ask, batch)
    return PreparedCells(
        setting=setting,
        cells=cells,
        models=models,
        data=data,
        source=ask.data,
        device=ask.device,
        command=command,
        loaded=loaded,
    )


def looking_seconds(
    evaluation: PreparedCells[Any], store: Store, looks: Callable[[Cell], int], *, together: int
) -> float:
    """The most seconds that one worker takes for the missing cells, from one timed pass of each model.

    Args:
        evaluation: whose cells look at images and do nothing else.
        store: what it holds is not counted.
        looks: how many times a cell looks at each image, at most.
        together: images that are looked at together.
    """
    total = 0.0
    x = evaluation.data.images(0, min(together, evaluation.setting.n)).numpy()
    for source, info in evaluation.models:
        cells = evaluation.cells(evaluation.setting, info)
        missing = sum(cell.count * looks(cell) for cell in cells if store.get(cell.key, images=False) is None)
        if missing:
            device = evaluation.device
            total += missing * evaluation.loaded.ask(source, info.weights, device, _look_seconds, x, device)
    return total


def _look_seconds(model: nn.Module, images: Float32[np.ndarray, "n c h w"], device: str) -> float:
    x = torch.from_numpy(images).to(device)
    y = model(x).argmax(dim=1)
    start = time.perf_counter()
    ask_again(model, x, y)
    return (time.perf_counter() - start) / len(x)
