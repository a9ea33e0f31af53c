"""The models and images that a process has loaded, and the measurement of its cells."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor, nn

from bench.engine.ahead import Ahead, Part
from bench.engine.cell import Cell
from bench.engine.gradient_cache import GradientCache
from bench.engine.kind import Subject, kind_of
from bench.engine.result import CellResult
from bench.engine.splitting import measured
from bench.engine.workers import WorkerGroups, answer
from bench.errors import CellError
from bench.inputs.foreign import is_folded
from bench.inputs.model_info import FOLDED
from bench.inputs.own_attacks import OwnAttack
from bench.inputs.own_surrogates import OwnSurrogates
from bench.inputs.sources import DataSource, Images, ModelSource, deployed
from bench.inputs.switches import left_alone
from zoo.deployment import Deployed

MODELS_KEPT = 4
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Task:
    """A cell with everything that a worker needs to measure it.

    Attributes:
        cell: what to measure.
        model: source of its model.
        data: source of its images.
        standing: survivors of the parent cell; ``None`` for a clean cell.
        device: ``cpu`` or ``cuda``.
        attack: source of a user's own attack or surrogates; ``None`` for any other cell.
        following: the images that the same process needs next; ``None`` if unknown.
    """

    cell: Cell
    model: ModelSource
    data: DataSource
    standing: Bool[np.ndarray, " n"] | None
    device: str
    attack: OwnAttack | OwnSurrogates | None = None
    following: Part | None = None


class Loaded:
    """Models and images a process has loaded; the most recent few models are kept.

    Attributes:
        workers: processes of the models that are not of the zoo.
        step_bytes: memory that a gradient step of a batch takes at most on a CPU; 0 if unknown.
    """

    def __init__(self) -> None:
        self.workers = WorkerGroups()
        self.step_bytes = 0
        self._models: OrderedDict[tuple[str, str, bool], nn.Module] = OrderedDict()
        self._kept: dict[tuple[str, str], bool] = {}
        self._raw: dict[str, nn.Module] = {}
        self._data: dict[DataSource, Images] = {}
        self._splits: dict[tuple[DataSource, str], Images] = {}  # other than the evaluation split
        self._gradients: GradientCache | None = None
        self._ahead = Ahead()

    def keep_model(self, weights: str, device: str, model: nn.Module, raw: nn.Module | None = None) -> None:
        """Adds a model that is already loaded and deployed; ``raw``, the model as made, if it has no source."""
        self._models[weights, device, is_folded(model)] = model
        self._kept[weights, device] = is_folded(model)
        if raw is not None:
            self._raw[weights] = raw

    def kept(self, weights: str, device: str) -> bool | None:
        """Whether a model that ``keep_model`` has added is folded; ``None`` if it was not added."""
        return self._kept.get((weights, device))

    def keep_data(self, source: DataSource, data: Images) -> None:
        """Adds images that are already loaded."""
        self._data[source] = data

    def data(self, source: DataSource) -> Images:
        """The images of a source, loaded once."""
        if source not in self._data:
            self._data[source] = source.load()
        return self._data[source]

    def ask(
        self,
        source: ModelSource,
        weights: str,
        device: str,
        function: Callable[..., T],
        *args: Any,
        raw: bool = False,
    ) -> T:
        """The result of a function of a model: computed here, or in the model's own process if it is not of the zoo.

        Args:
            source, weights: the model.
            device: of the model.
            function: of a module; takes the model first.
            args: arrays and plain values, after the model.
            raw: whether the model is as its author made it, instead of deployed.

        Raises:
            UsageError: the model's process ended.
        """
        if source.foreign:
            group = self.workers.of(source)
            return answer(group.submit(_of_model, source, weights, device, function, args, raw), source.name)
        return self.of_model(source, weights, device, function, args, raw)

    def of_model(
        self,
        source: ModelSource,
        weights: str,
        device: str,
        function: Callable[..., T],
        args: tuple[Any, ...],
        raw: bool,
    ) -> T:
        """Like ``ask``, in this process."""
        with one_thread(), left_alone():
            fold = (weights, device, True) in self._models
            made = _built(source, weights).to(device) if raw else self._model(source, weights, device, fold)
            return function(made, *args)

    def run(self, task: Task) -> CellResult:
        """Measures a task's cell; changes that a model makes to the process do not affect the next one."""
        with left_alone():
            return self._run(task)

    def _run(self, task: Task) -> CellResult:
        kind, weights = kind_of(task.cell), task.cell.weights

        def raw() -> nn.Module:
            return (self._raw.get(weights) or task.model.build()).to(task.device)

        if kind.deployed:
            fold = task.cell.backend.endswith(FOLDED)
            model = self._model(task.model, weights, task.device, fold)
        else:
            model = _built(task.model, weights).to(task.device)
        if isinstance(model, Deployed) and kind.same_gradient(task.cell):
            if self._gradients is None or self._gradients.model is not model:
                self._gradients = GradientCache(model)
            model = self._gradients
        x, y = self._images(task)
        subject = Subject(
            model=model,
            raw=raw,
            x=x,
            y=y,
            standing=task.standing,
            split=partial(self._split, task.data),
            attack=task.attack,
        )
        return measured(kind, task.cell, subject)

    def _model(self, source: ModelSource, weights: str, device: str, fold: bool) -> nn.Module:
        key = weights, device, fold
        if key not in self._models:
            self._models[key] = deployed(_built(source, weights), device, fold=fold)
            while len(self._models) > MODELS_KEPT:
                self._models.popitem(last=False)
        self._models.move_to_end(key)
        return self._models[key]

    def _split(self, source: DataSource, name: str) -> Images:
        if (source, name) not in self._splits:
            self._splits[source, name] = source.load(split=name)
        return self._splits[source, name]

    def _images(self, task: Task) -> tuple[Float32[Tensor, "n c h w"], Int64[Tensor, " n"]]:
        data = self.data(task.data)
        if data.sha256 != task.cell.data:
            raise CellError(f"data set {task.cell.dataset!r} has changed since the run began")
        first, count = task.cell.first, task.cell.count
        labels = torch.from_numpy(data.labels[first : first + count].astype(np.int64))
        if task.device == "cpu":
            return data.images(first, count), labels
        x = self._ahead.images(data, (first, count), task.following)
        return x.to(task.device, non_blocking=True), labels.to(task.device)


def _built(source: ModelSource, weights: str) -> nn.Module:
    built = source.build()
    if source.digest(built) != weights:
        raise CellError(f"model {source.name!r} has changed since the run began")
    return built


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Computes with one thread, and restores the caller's number of threads afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def worker() -> Loaded:
    """The ``Loaded`` of this worker process."""
    global _worker
    if _worker is None:
        _worker = Loaded()
    return _worker


_worker: Loaded | None = None


def _of_model(
    source: ModelSource, weights: str, device: str, function: Callable[..., T], args: tuple, raw: bool
) -> T:
    return worker().of_model(source, weights, device, function, args, raw)
