"""Runs every planned cell that the store lacks and saves its result."""

from __future__ import annotations

import importlib.metadata
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from bench.engine.ahead import Part
from bench.engine.cell import Cell, parent_of
from bench.engine.executors import Executor
from bench.engine.lane import Lane
from bench.engine.loaded import Task
from bench.engine.result import CellResult
from bench.engine.signals import deferred
from bench.engine.store import Store, Stored
from bench.engine.versions import versions
from bench.errors import in_words
from bench.inputs.model_info import ModelInfo
from bench.inputs.sources import DataSource, ModelSource
from bench.numbers.eps import eps_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A cell that failed, in words."""

    cell: Cell
    reason: str

    def __str__(self) -> str:
        cell = self.cell
        what = "clean" if cell.kind == "clean" else f"{cell.attack} ({cell.library})"
        what += "" if cell.kind != "released" else f" under {cell.protocol}"
        what += "" if cell.eps is None else f" at ε {eps_text(cell.eps)}"
        return f"{cell.model}, {what}, images {cell.first}–{cell.first + cell.count - 1}: {self.reason}"


@dataclass(slots=True)
class _Position:
    """How far a lane has come: the next cell to measure and the survivors it takes."""

    lane: Lane
    index: int = -1
    cell: Cell = field(init=False)
    standing: np.ndarray | None = None
    _clean: str = ""
    _clean_standing: np.ndarray | None = None

    def __post_init__(self) -> None:
        self.cell = self.lane.first

    def advance(self, result: CellResult) -> bool:
        """Uses the result of ``cell`` and moves to the next cell; ``False`` at the end of the lane."""
        if self.index + 2 >= len(self.lane):
            return False
        parent = parent_of(self.cell.key, result.digest)
        standing = result.arrays["standing"]
        if self.index < 0:
            self._clean, self._clean_standing = parent, standing
        elif not self.lane.chained:
            parent, standing = self._clean, self._clean_standing
        self.index += 1
        self.cell, self.standing = self.lane.following(self.index, parent), standing
        return True


class Driver:
    """Runs lanes until all their cells are stored or have failed.

    Args:
        store: results are read and saved here.
        executor: where cells run.
        models: source of each model by its weights digest.
        data: source of the images.
        device: ``cpu`` or ``cuda``.
        progress: called with (cells done, cells in all), first with the cells that were stored before.
    """

    def __init__(
        self,
        store: Store,
        executor: Executor,
        models: Mapping[str, ModelSource],
        data: DataSource,
        *,
        device: str = "cpu",
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._store = store
        self._executor = executor
        self._models = models
        self._data = data
        self._device = device
        self._progress = progress or (lambda done, total: None)
        self._queue: deque[_Position] = deque()
        self._waiting: dict[str, list[_Position]] = {}
        self._failures: dict[str, Failure] = {}
        self._retried: set[str] = set()
        self._counted: set[str] = set()  # first cells
        self._done = 0
        self._total = 0

    def run(self, lanes: Sequence[Lane]) -> tuple[Failure, ...]:
        """Measures the cells that the store lacks; returns the failed cells, each with its reason."""
        first = {lane.first.key for lane in lanes}  # which lanes share
        self._done, self._total = 0, len(first) + sum(len(lane) - 1 for lane in lanes)
        self._queue = deque(each for each in map(_Position, lanes) if self._skip_stored(each))
        self._progress(self._done, self._total)
        running: dict[Future[CellResult], _Position] = {}
        try:
            self._run(running)
        except KeyboardInterrupt:
            self._keep_finished(running)
            raise
        return tuple(self._failures.values())

    def _run(self, running: dict[Future[CellResult], _Position]) -> None:
        while self._queue or running:
            while self._queue and self._has_room(running):
                self._start(self._queue.popleft(), running)
            if running:
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                with deferred():
                    for future in finished:
                        self._finish(running.pop(future), future)
            self._progress(self._done, self._total)

    def _keep_finished(self, running: Mapping[Future[CellResult], _Position]) -> None:
        """Stores results that were finished but not yet stored when a signal came."""
        with deferred():
            for future, position in running.items():
                if future.done() and future.exception() is None:
                    self._put(position.cell, future.result())

    def _has_room(self, running: Mapping[Future[CellResult], _Position]) -> bool:
        """Whether the next position may start. A cell retried after a worker crash runs alone."""
        alone = any(each.cell.key in self._retried for each in (self._queue[0], *running.values()))
        return not running if alone else len(running) < self._executor.slots

    def _start(self, position: _Position, running: dict[Future[CellResult], _Position]) -> None:
        if not self._skip_stored(position):
            return
        key = position.cell.key
        if key in self._failures:
            self._give_up(position)
        elif key in self._waiting:
            self._waiting[key].append(position)
        else:
            self._waiting[key] = [position]
            running[self._submit(position)] = position

    def _submit(self, position: _Position) -> Future[CellResult]:
        task = Task(
            cell=position.cell,
            model=self._models[position.cell.weights],
            data=self._data,
            standing=position.standing,
            device=self._device,
            attack=position.lane.attack if position.index >= 0 else None,
            following=self._following(position.cell),
        )
        return self._executor.submit(task)

    def _following(self, cell: Cell) -> Part | None:
        """The images that are measured after a cell's, where a single GPU process measures one cell after another."""
        if self._device == "cpu" or self._executor.slots > 1:  # on a CPU nothing is read ahead
            return None
        others = (each.cell for each in self._queue if each.cell.first != cell.first)
        return next(((other.first, other.count) for other in others), None)

    def _skip_stored(self, position: _Position) -> bool:
        """Moves past stored cells; ``False`` when the lane is done."""
        while (stored := self._store.get(position.cell.key)) is not None:
            self._count(position)
            if not position.advance(stored.result):
                return False
        return True

    def _finish(self, position: _Position, future: Future[CellResult]) -> None:
        key = position.cell.key
        waiting = self._waiting.pop(key)
        fault = future.exception()
        if isinstance(fault, BrokenExecutor) and key not in self._retried:
            # When a worker dies, cells of other workers are lost too; each is tried once more, alone.
            self._retried.add(key)
            self._queue.extendleft(reversed(waiting))
            return
        self._retried.discard(key)
        if fault is not None:
            self._failures[key] = Failure(cell=position.cell, reason=_reason(fault))
            for each in waiting:
                self._give_up(each)
            return
        result = future.result()
        self._put(position.cell, result)
        for each in reversed(waiting):
            self._count(each)
            if each.advance(result):
                # Lanes that have begun come first: the workers have loaded their models.
                self._queue.appendleft(each)

    def _put(self, cell: Cell, result: CellResult) -> None:
        self._store.put(Stored(cell=cell, result=result, provenance=provenance(self._device)))

    def _give_up(self, position: _Position) -> None:
        self._count(position, following=len(position.lane) - 2 - position.index)

    def _count(self, position: _Position, following: int = 0) -> None:
        """Counts a position's cell (a first one only once) and ``following`` cells after it."""
        again = position.index < 0 and position.cell.key in self._counted
        self._counted |= {position.cell.key} if position.index < 0 else set()
        self._done += following + (not again)


@runtime_checkable
class Planned(Protocol):
    """The common part of all evaluations: models with their sources, images, and a device."""

    @property
    def models(self) -> Sequence[tuple[ModelSource, ModelInfo]]: ...

    @property
    def source(self) -> DataSource: ...

    @property
    def device(self) -> str: ...


def driver(
    evaluations: Sequence[Planned],
    store: Store,
    executor: Executor,
    progress: Callable[[int, int], None] | None = None,
) -> Driver:
    """The driver of the lanes of one or several evaluations, all of the same images and device."""
    models = {info.weights: source for each in evaluations for source, info in each.models}
    first = evaluations[0]
    return Driver(store, executor, models, first.source, device=first.device, progress=progress)


def _reason(fault: BaseException) -> str:
    if isinstance(fault, BrokenExecutor):
        return "its worker process died twice, the second time while it ran alone (out of memory?)"
    return in_words(fault)


def provenance(device: str) -> dict[str, str]:
    """Where and with which versions a cell was measured; outside its key."""
    return {"device": device, **versions()}


def backend(device: str) -> str:
    """The kernels that compute, as bits differ between devices and torch versions, and whether rounds share batches."""
    torch = f"torch {importlib.metadata.version('torch')}"
    return f"cuda {torch}, rounds at once" if device.startswith("cuda") else f"cpu {torch}"


def lane_results(store: Store, lane: Lane, *, images: bool = False) -> list[Stored]:
    """The stored cells of a lane from its clean cell on, as far as they go without a gap."""
    found: list[Stored] = []
    position = _Position(lane)
    while (stored := store.get(position.cell.key, images=images)) is not None:
        found.append(stored)
        if not position.advance(stored.result):
            break
    return found
