"""Where cells run: this process, or worker processes with one thread each.

Every worker computes a cell with the same single thread, so how many there are changes no number.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor, nn

from bench.attacks import ATTACKS
from bench.audit.cells import probe_cell
from bench.cell import Cell
from bench.clever.cells import measure_cell
from bench.errors import CellError
from bench.measure import CellResult, measure
from bench.memo import Memo
from bench.mip.cells import measure_mip
from bench.released import measure_released
from bench.rooms import Room, Rooms, answer
from bench.sources import DataSource, Images, ModelSource, as_made, deployed
from bench.spatial.cells import measure_spatial
from bench.switches import left_alone
from zoo.deployment import Deployed

MODELS_KEPT = 4
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Task:
    """A cell with what a worker needs to measure it.

    Attributes:
        cell: what to measure.
        model: where its model comes from.
        data: where its images come from.
        standing: survivors of the parent cell; ``None`` for a clean cell.
        device: ``cpu`` or ``cuda``.
    """

    cell: Cell
    model: ModelSource
    data: DataSource
    standing: Bool[np.ndarray, " n"] | None
    device: str


@runtime_checkable
class Executor(Protocol):
    """Runs tasks; how many at once is its own affair."""

    slots: int

    def submit(self, task: Task) -> Future[CellResult]:
        """Starts a task; its failure is the future's exception."""
        ...

    def close(self) -> None:
        """Stops the workers."""
        ...


class Bench:
    """Models and images a process has loaded; the most recent few models are kept.

    Attributes:
        rooms: processes of the models that are not of the zoo.
    """

    def __init__(self) -> None:
        self.rooms = Rooms()
        self._models: OrderedDict[str, nn.Module] = OrderedDict()
        self._raw: dict[str, nn.Module] = {}
        self._data: dict[DataSource, Images] = {}
        self._memo: Memo | None = None

    def keep_model(self, weights: str, device: str, model: nn.Module, raw: nn.Module | None = None) -> None:
        """Hands in a model that is already loaded and deployed, and where it has no source, as it was made."""
        self._models[weights + device] = model
        if raw is not None:
            self._raw[weights] = raw

    def keep_data(self, source: DataSource, data: Images) -> None:
        """Hands in images that are already loaded."""
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
        """What a function gives of a model: here, or in the model's own process if it is not of the zoo.

        Args:
            source, weights: the model.
            device: where the model lies.
            function: of a module; takes the model first.
            args: arrays and plain values, after the model.
            raw: whether the model is as its author made it, instead of deployed.

        Raises:
            UsageError: the model's process ended.
        """
        if source.foreign:
            room = self.rooms.of(source)
            return answer(room.submit(_of_model, source, weights, device, function, args, raw), source.name)
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
        """As ``ask``, in this process."""
        with one_thread(), left_alone():
            made = _built(source, weights).to(device) if raw else self._model(source, weights, device)
            return function(made, *args)

    def run(self, task: Task) -> CellResult:
        """Measures a task's cell; no model's doings reach the next one's."""
        with left_alone():
            return self._run(task)

    def _run(self, task: Task) -> CellResult:
        weights = task.cell.weights
        if task.cell.kind == "released":  # batch norm must be there to change its mode
            return measure_released(
                task.cell, _built(task.model, weights).to(task.device), *self._images(task)
            )
        model = self._model(task.model, weights, task.device)
        if isinstance(model, Deployed) and _single_step(task.cell):
            if self._memo is None or self._memo.model is not model:
                self._memo = Memo(model)
            model = self._memo
        x, y = self._images(task)
        if task.cell.kind in ("clever", "minimum_norm"):
            return measure_cell(task.cell, model, x, y)
        if task.cell.kind == "mip":
            return measure_mip(task.cell, model, x, y)
        if task.cell.kind == "spatial":
            return measure_spatial(task.cell, model, x, y)
        if task.cell.kind == "probe":
            raw = self._raw.get(weights) or task.model.build()
            return probe_cell(task.cell, *as_made(model, raw.to(task.device)), x, y)
        return measure(task.cell, model, x, y, task.standing)

    def _model(self, source: ModelSource, weights: str, device: str) -> nn.Module:
        key = weights + device
        if key not in self._models:
            self._models[key] = deployed(_built(source, weights), device)
            while len(self._models) > MODELS_KEPT:
                self._models.popitem(last=False)
        self._models.move_to_end(key)
        return self._models[key]

    def _images(self, task: Task) -> tuple[Float32[Tensor, "n c h w"], Int64[Tensor, " n"]]:
        data = self.data(task.data)
        if data.sha256 != task.cell.data:
            raise CellError(f"data set {task.cell.dataset!r} is not the one it was when the run began")
        first, count = task.cell.first, task.cell.count
        labels = torch.from_numpy(data.labels[first : first + count].astype(np.int64))
        return data.images(first, count).to(task.device), labels.to(task.device)


def _built(source: ModelSource, weights: str) -> nn.Module:
    built = source.build()
    if source.digest(built) != weights:
        raise CellError(f"model {source.name!r} is not the one it was when the run began")
    return built


def _single_step(cell: Cell) -> bool:
    spec = ATTACKS.get((cell.attack, cell.library.partition("==")[0]))
    return spec is not None and not spec.iterative


class InProcess:
    """Runs tasks one after another in this process, with one thread."""

    slots = 1

    def __init__(self, bench: Bench | None = None) -> None:
        self._bench = bench or Bench()

    def submit(self, task: Task) -> Future[CellResult]:
        future: Future[CellResult] = Future()
        try:
            with one_thread():
                future.set_result(self._bench.run(task))
        except (Exception, SystemExit) as fault:
            future.set_exception(fault)
        return future

    def close(self) -> None:
        """Nothing to stop."""


class Processes:
    """Runs tasks in worker processes with one thread each.

    Args:
        workers: number of processes.
    """

    def __init__(self, workers: int) -> None:
        self.slots = workers
        self._room = Room(workers)
        for _ in range(workers):
            self._room.submit(_warm_up)

    def submit(self, task: Task) -> Future[CellResult]:
        return self._room.submit(_run, task)

    def close(self) -> None:
        self._room.close()


class Separated:
    """Runs the tasks of models that are not of the zoo in the models' own processes, and the others elsewhere.

    Args:
        zoo: starts what runs the tasks of the zoo's models, when there is one.
        rooms: processes of the other models.
        slots: tasks that run at once, and processes of a model at most.
    """

    def __init__(self, zoo: Callable[[], Executor], rooms: Rooms, slots: int) -> None:
        self.slots = slots
        self._rooms = rooms
        self._start, self._zoo = zoo, None

    def submit(self, task: Task) -> Future[CellResult]:
        if task.model.foreign:
            return self._rooms.of(task.model, self.slots).submit(_run, task)
        if self._zoo is None:
            self._zoo = self._start()
        return self._zoo.submit(task)

    def close(self) -> None:
        if self._zoo is not None:
            self._zoo.close()
        self._rooms.close()


def executor_for(bench: Bench, device: str, workers: int) -> Executor:
    """Worker processes on a CPU; on a GPU, or with one worker, this process with what it has loaded.

    Models that are not of the zoo have processes of their own in every case.
    """
    if workers == 1 or device != "cpu":
        return Separated(lambda: InProcess(bench), bench.rooms, 1)
    return Separated(lambda: Processes(workers), bench.rooms, workers)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Computes with one thread, and gives the caller's threads back afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def worker() -> Bench:
    """What this process has loaded, in a worker process."""
    global _worker
    if _worker is None:
        _worker = Bench()
    return _worker


_worker: Bench | None = None


def _warm_up() -> None:
    """Imports the attack libraries while the driver still plans."""
    from bench.attacks import with_foolbox, with_torchattacks  # noqa: F401


def _run(task: Task) -> CellResult:
    return worker().run(task)


def _of_model(
    source: ModelSource, weights: str, device: str, function: Callable[..., T], args: tuple, raw: bool
) -> T:
    return worker().of_model(source, weights, device, function, args, raw)
