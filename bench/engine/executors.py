"""Where cells run: this process, or worker processes with one thread each.

Every worker computes a cell with the same single thread, so how many there are changes no number.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol, runtime_checkable

from bench.engine.loaded import Loaded, Task, one_thread, worker
from bench.engine.result import CellResult
from bench.engine.rooms import Room, Rooms


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


class InProcess:
    """Runs tasks one after another in this process, with one thread."""

    slots = 1

    def __init__(self, loaded: Loaded | None = None) -> None:
        self._loaded = loaded or Loaded()

    def submit(self, task: Task) -> Future[CellResult]:
        future: Future[CellResult] = Future()
        try:
            with one_thread():
                future.set_result(self._loaded.run(task))
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

    def submit(self, task: Task) -> Future[CellResult]:
        return self._room.submit(_run, task)

    def close(self) -> None:
        self._room.close()


class Separated:
    """Runs other people's code in processes of its own, and the tasks without any elsewhere.

    A model that is not of the zoo has processes of its own, and so has a user's own attack on each model.

    Args:
        zoo: starts what runs the tasks of the zoo's models, when there is one.
        rooms: processes of the other models and of own attacks.
        slots: tasks that run at once, and processes of a model at most.
    """

    def __init__(self, zoo: Callable[[], Executor], rooms: Rooms, slots: int) -> None:
        self.slots = slots
        self._rooms = rooms
        self._start, self._zoo = zoo, None

    def submit(self, task: Task) -> Future[CellResult]:
        if task.attack is not None:
            return self._rooms.of((task.model, task.attack), self.slots).submit(_run, task)
        if task.model.foreign:
            return self._rooms.of(task.model, self.slots).submit(_run, task)
        if self._zoo is None:
            self._zoo = self._start()
        return self._zoo.submit(task)

    def close(self) -> None:
        if self._zoo is not None:
            self._zoo.close()
        self._rooms.close()


def executor_for(loaded: Loaded, device: str, workers: int) -> Executor:
    """Worker processes on a CPU; on a GPU, or with one worker, this process with what it has loaded.

    Models that are not of the zoo and a user's own attacks have processes of their own in every case.
    """
    if workers == 1 or device != "cpu":
        return Separated(lambda: InProcess(loaded), loaded.rooms, 1)
    return Separated(lambda: Processes(workers), loaded.rooms, workers)


def _run(task: Task) -> CellResult:
    return worker().run(task)
