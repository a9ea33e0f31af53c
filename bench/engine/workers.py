"""Worker processes: those of a pool, and separate ones for each model that is not of the zoo.

The code of such a model (patches, hooks, switches, ``os._exit``) then affects only its own process.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, ParamSpec, TypeVar
from weakref import WeakSet

from bench.engine.heap import keep_freed_memory
from bench.engine.signals import deferred, leave_to_main, starting_workers
from bench.errors import CellError, UsageError, in_words
from zoo.errors import UserError

P = ParamSpec("P")
T = TypeVar("T")
KEPT = 4  # models whose processes wait for more work


class Worker:
    """A process with one thread that makes one call after another; it is started again after it has died.

    Args:
        number: the result of ``place`` in the process.
    """

    def __init__(self, number: int = 0) -> None:
        self._number = number
        self._pool = _started(number)
        self._calls: list[Future[Any]] = []

    def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Calls a function of a module, after the calls that were submitted before."""
        with deferred(), starting_workers():
            try:
                future = self._pool.submit(called, function, *args, **kwargs)
            except BrokenProcessPool:
                self._pool.shutdown(wait=True)
                self._pool = _started(self._number)
                future = self._pool.submit(called, function, *args, **kwargs)
        self._calls.append(future)
        return future

    @property
    def load(self) -> int:
        """Number of calls that have not ended."""
        self._calls = [call for call in self._calls if not call.done()]
        return len(self._calls)

    def close(self) -> None:
        """Ends the process after the call it makes."""
        self._pool.shutdown(wait=True, cancel_futures=True)


class WorkerGroup:
    """Workers; one more is started when a call waits and none is free.

    Args:
        size: number of processes at most; may be raised later.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._workers: list[Worker] = []

    def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Calls a function of a module in a worker.

        The future has its exception; exceptions of other people's classes become a ``CellError``.
        """
        return self._next().submit(function, *args, **kwargs)

    def _next(self) -> Worker:
        found = min(self._workers, key=lambda worker: worker.load, default=None)
        if found is None or (found.load and len(self._workers) < self.size):
            found = Worker(len(self._workers))
            self._workers.append(found)
        return found

    @property
    def idle(self) -> bool:
        """Whether nothing is computed here."""
        return not any(worker.load for worker in self._workers)

    def close(self) -> None:
        """Ends all processes at the same time, each after its present call."""
        with ThreadPoolExecutor(len(self._workers) or 1) as threads:
            list(threads.map(Worker.close, self._workers))


class WorkerGroups:
    """A group of workers for each model; the most recently used ones are kept."""

    def __init__(self) -> None:
        self._groups: OrderedDict[Hashable, WorkerGroup] = OrderedDict()

    def of(self, model: Hashable, size: int = 1) -> WorkerGroup:
        """The group of a model for at least ``size`` processes; made at the first request."""
        if model not in self._groups:
            self._close_idle()
            self._groups[model] = WorkerGroup(size)
        self._groups.move_to_end(model)
        group = self._groups[model]
        group.size = max(group.size, size)
        return group

    def _close_idle(self) -> None:
        """Closes an idle group, if there is one, to make place for another."""
        idle = [model for model, group in self._groups.items() if group.idle]
        for model in idle[: max(0, len(self._groups) + 1 - KEPT)]:
            self._groups.pop(model).close()

    def close(self) -> None:
        """Ends all processes, each after its present call."""
        while self._groups:
            self._groups.popitem()[1].close()


def answer(future: Future[T], name: str) -> T:
    """The result of a call in a worker of a model with this name; ``UsageError`` if its code ended the process."""
    try:
        return future.result()
    except BrokenProcessPool:
        raise UsageError(
            f"the process of model {name!r} ended when the model was looked at; its code may call os._exit, "
            "crash in compiled code, or run out of memory"
        ) from None
    except SystemExit as stop:
        raise UsageError(f"the code of model {name!r} called sys.exit({stop.code!r})") from None


def end_children() -> None:
    """Kills all processes that this one has started through ``multiprocessing``, also busy ones."""
    for child in multiprocessing.active_children():
        with contextlib.suppress(OSError, ValueError):
            child.kill()


def join_pools() -> None:
    """Waits for the threads of all pools, after ``end_children``.

    Python wakes such a thread at its own end without the lock under which the thread closes its pipe, and prints a
    traceback if the two meet.
    """
    for pool in list(_pools):
        pool.shutdown(wait=True, cancel_futures=True)


def start_worker(number: int) -> None:
    """Makes a process the ``number``-th worker of a group, which ends with the main process."""
    global _place
    _place = number
    threading.Thread(target=_end_with_parent, daemon=True).start()
    leave_to_main()
    settle()


def place() -> int:
    """The number of this process in its group, from 0; 0 in the main process."""
    return _place


_place = 0
_pools: WeakSet[ProcessPoolExecutor] = WeakSet()


def _started(number: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(1, mp_context=context, initializer=start_worker, initargs=(number,))
    _pools.add(pool)
    return pool


def called(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls a function; other people's exceptions become text, so that the main process loads no class of theirs."""
    try:
        return function(*args, **kwargs)
    except (CellError, UserError):
        raise
    except SystemExit as stop:
        raise SystemExit(stop.code if type(stop.code) in (int, type(None)) else str(stop.code)) from None
    except BaseException as fault:
        raise CellError(in_words(fault)) from None


def settle() -> None:
    """Makes this process a worker: it computes with one thread, keeps its memory, and prints to stderr."""
    os.dup2(2, 1)  # what compiled code prints too
    sys.stdout = sys.stderr  # prints of a user's own model must not mix with the rows of --json
    import torch

    torch.set_num_threads(1)
    keep_freed_memory()
    with contextlib.suppress(ImportError):
        from tqdm import tqdm  # torch draws a bar with it

        # its own lock is a semaphore, and Python warns of those that a killed process leaves behind
        tqdm.set_lock(threading.RLock())


def _end_with_parent() -> None:
    """Ends this worker at once when the main process is gone: a killed main process cannot stop its workers."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
