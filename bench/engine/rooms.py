"""Processes that compute: worker processes of a pool, and a process of its own for each model that is not of the zoo.

What the code of such a model does (patches, hooks, switches, ``os._exit``) reaches its own process and no other.
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
    """A process with one thread that makes one call after another; started anew after it has died.

    Args:
        number: what ``place`` gives in the process.
    """

    def __init__(self, number: int = 0) -> None:
        self._number = number
        self._pool = _started(number)
        self._calls: list[Future[Any]] = []

    def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Calls a function of a module after what was submitted before."""
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
        """How many calls have not ended."""
        self._calls = [call for call in self._calls if not call.done()]
        return len(self._calls)

    def close(self) -> None:
        """Ends the process after the call it makes."""
        self._pool.shutdown(wait=True, cancel_futures=True)


class Room:
    """Workers, each started when something waits and none is free.

    Args:
        size: number of processes at most; may be raised later.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._workers: list[Worker] = []

    def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Calls a function of a module there; its exception is the future's, other people's as a ``CellError``."""
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
        """Ends the processes, all at the same time, after what they compute."""
        with ThreadPoolExecutor(len(self._workers) or 1) as threads:
            list(threads.map(Worker.close, self._workers))


class Rooms:
    """A room for each model; those used last are kept."""

    def __init__(self) -> None:
        self._rooms: OrderedDict[Hashable, Room] = OrderedDict()

    def of(self, model: Hashable, size: int = 1) -> Room:
        """The room of a model, which may have at least so many processes; made when it is first requested."""
        if model not in self._rooms:
            self._close_idle()
            self._rooms[model] = Room(size)
        self._rooms.move_to_end(model)
        room = self._rooms[model]
        room.size = max(room.size, size)
        return room

    def _close_idle(self) -> None:
        """Makes a place for one more room, if one of them computes nothing."""
        idle = [model for model, room in self._rooms.items() if room.idle]
        for model in idle[: max(0, len(self._rooms) + 1 - KEPT)]:
            self._rooms.pop(model).close()

    def close(self) -> None:
        """Ends all processes after what they compute."""
        while self._rooms:
            self._rooms.popitem()[1].close()


def answer(future: Future[T], name: str) -> T:
    """What came out in the room of a model with this name; ``UsageError`` if its code ended the process."""
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
    """Kills all processes that this one has started through ``multiprocessing``, whatever they compute."""
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
    """Makes a process the ``number``-th worker of a room: it settles and ends with the main process."""
    global _place
    _place = number
    threading.Thread(target=_end_with_parent, daemon=True).start()
    leave_to_main()
    settle()


def place() -> int:
    """Which process of its room this one is, counted from 0; 0 in the main process."""
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
    sys.stdout = sys.stderr  # what a user's own model prints must not get between the rows of --json
    import torch

    torch.set_num_threads(1)
    keep_freed_memory()


def _end_with_parent() -> None:
    """Ends this worker, whatever it computes, when the main process is gone: killed, it cannot stop its workers."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
