"""Processes that compute: worker processes of a pool, and a process of its own for each model that is not of the zoo.

What the code of such a model does (patches, hooks, switches, ``os._exit``) reaches its own process and no other.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, ParamSpec, TypeVar

from bench.errors import CellError, UsageError, in_words
from zoo.errors import UserError

P = ParamSpec("P")
T = TypeVar("T")
KEPT = 4  # models whose processes wait for more work


class Room:
    """Worker processes with one thread each, started as they are needed and anew after one has died.

    Args:
        size: number of processes at most.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._pool = self._started()
        self._running = 0

    def _started(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self._size, mp_context=context, initializer=_start_worker)

    def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Calls a function of a module there; its exception is the future's, other people's as a ``CellError``."""
        try:
            future = self._pool.submit(_called, function, *args, **kwargs)
        except BrokenProcessPool:
            self._pool = self._started()
            future = self._pool.submit(_called, function, *args, **kwargs)
        self._running += 1
        future.add_done_callback(self._done)
        return future

    def _done(self, _: Future[Any]) -> None:
        self._running -= 1

    @property
    def idle(self) -> bool:
        """Whether nothing is computed here."""
        return self._running == 0

    def close(self) -> None:
        """Ends the processes after what they compute."""
        self._pool.shutdown(wait=True, cancel_futures=True)


class Rooms:
    """A room for each model; those used last are kept."""

    def __init__(self) -> None:
        self._rooms: OrderedDict[Hashable, Room] = OrderedDict()

    def of(self, model: Hashable) -> Room:
        """The room of a model; it is made when it is first asked for."""
        if model not in self._rooms:
            self._rooms[model] = Room(os.cpu_count() or 1)
            self._close_idle()
        self._rooms.move_to_end(model)
        return self._rooms[model]

    def _close_idle(self) -> None:
        idle = [model for model, room in self._rooms.items() if room.idle]
        for model in idle[: max(0, len(self._rooms) - KEPT)]:
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
            f"the process of model {name!r} ended when the model was looked at; its code may call os._exit, crash in "
            "compiled code, or need more memory than there is"
        ) from None
    except SystemExit as stop:
        raise UsageError(f"the code of model {name!r} called sys.exit({stop.code!r})") from None


def end_children() -> None:
    """Kills all processes that this one has started through ``multiprocessing``, whatever they compute."""
    for child in multiprocessing.active_children():
        with contextlib.suppress(OSError, ValueError):
            child.kill()


def _called(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls a function; other people's exceptions become text, so that the main process loads no class of theirs."""
    try:
        return function(*args, **kwargs)
    except (CellError, UserError, SystemExit):
        raise
    except Exception as fault:
        raise CellError(in_words(fault)) from None


def _start_worker() -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the main one ends the others
    os.dup2(2, 1)  # what compiled code prints too
    sys.stdout = sys.stderr  # what a user's own model prints must not get between the rows of --json
    import torch

    torch.set_num_threads(1)


def _end_with_parent() -> None:
    """Ends this worker, whatever it computes, when the main process is gone: killed, it cannot stop its workers."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
