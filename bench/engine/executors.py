"""Where cells run: this process, worker processes with one thread each, or a cluster.

Every worker computes a cell with one thread, so the number of workers changes no result.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Protocol, runtime_checkable

from bench.engine import workers
from bench.engine.loaded import Loaded, Task, one_thread, worker
from bench.engine.result import CellResult
from bench.engine.where import Where, own_code_of
from bench.engine.workers import WorkerGroups


@runtime_checkable
class Executor(Protocol):
    """Runs tasks, ``slots`` of them at once."""

    @property
    def slots(self) -> int:
        """Tasks that may run at once now."""
        ...

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
        devices: the device of each process.
    """

    def __init__(self, devices: tuple[str, ...]) -> None:
        self.slots = len(devices)
        self._devices, self._group = devices, workers.WorkerGroup(len(devices))

    def submit(self, task: Task) -> Future[CellResult]:
        return self._group.submit(_run, task, self._devices)

    def close(self) -> None:
        self._group.close()


class Separated:
    """Runs other people's code in separate processes, and all other tasks elsewhere.

    A model that is not of the zoo has processes of its own, and so has a user's own attack on each model.

    Args:
        zoo: starts the executor of the zoo's models, at the first such task.
        apart: processes of the other models and of own attacks.
        devices: the device of each process of a model, which run at once.
    """

    def __init__(self, zoo: Callable[[], Executor], apart: WorkerGroups, devices: tuple[str, ...]) -> None:
        self.slots = len(devices)
        self._groups, self._devices = apart, devices
        self._start, self._zoo = zoo, None

    def submit(self, task: Task) -> Future[CellResult]:
        if (own_code := own_code_of(task)) is not None:
            return self._groups.of(own_code, self.slots).submit(_run, task, self._devices)
        if self._zoo is None:
            self._zoo = self._start()
        return self._zoo.submit(task)

    def close(self) -> None:
        if self._zoo is not None:
            self._zoo.close()
        self._groups.close()


def executor_for(loaded: Loaded, where: Where) -> Executor:
    """The executor for a place: a cluster, worker processes, or with one device this process.

    Models that are not of the zoo and a user's own attacks always have separate processes.

    Raises:
        UsageError: the cluster cannot be used.
    """
    if where.cluster:
        from bench.engine.cluster.executor import Cluster

        return Cluster(loaded, where)
    devices = where.devices
    alone = len(devices) == 1
    return Separated(lambda: InProcess(loaded) if alone else Processes(devices), loaded.workers, devices)


def _run(task: Task, devices: tuple[str, ...]) -> CellResult:
    """Measures a task in a worker process, on the device of its place in the group."""
    return worker().run(replace(task, device=devices[workers.place() % len(devices)]))
