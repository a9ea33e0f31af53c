"""Ctrl-C and SIGTERM: a command stops at once, finished results are kept, and no process is left."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

_STOPPING = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """A signal asked the command to stop."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number


@contextlib.contextmanager
def stopping() -> Iterator[None]:
    """Turns the first SIGINT or SIGTERM into ``Interrupted``; the second one ends all processes at once.

    Worker processes are ended whenever the block is left by an exception. Outside the main thread, where Python
    takes no signals, only that is done.
    """
    asked: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if asked:
            _end_children()
            os._exit(128 + number)
        asked.append(number)
        print("bench: stopping; a second Ctrl-C stops at once", file=sys.stderr, flush=True)
        if _late is None:
            raise Interrupted(number)
        _late.append(Interrupted(number))

    here = threading.current_thread() is threading.main_thread()
    before = {each: signal.signal(each, stop) for each in _STOPPING} if here else {}
    try:
        yield
    except BaseException:
        _end_children()
        _join_pools()
        raise
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


_late: list[Interrupted] | None = (
    None  # what a block of ``deferred`` raises at its end; ``None`` outside of one
)


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Completes the block before the first SIGINT or SIGTERM raises ``Interrupted``.

    The second signal ends all processes at once here too. Nothing is deferred outside of ``stopping``, and outside
    the main thread.
    """
    global _late
    if _late is not None or threading.current_thread() is not threading.main_thread():
        yield
        return
    _late = late = []
    try:
        yield
    finally:
        _late = None
        if late:
            raise late[0]


@contextlib.contextmanager
def starting_workers() -> Iterator[None]:
    """Processes that are started in this block never get SIGINT or SIGTERM."""
    if not hasattr(signal, "pthread_sigmask"):  # as on Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_to_main() -> None:
    """Ignores SIGINT and SIGTERM in a worker process, as they reach all processes: the main one ends the others."""
    for each in _STOPPING:
        signal.signal(each, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)


def _end_children() -> None:
    if "bench.engine.workers" in sys.modules:  # else none was started
        sys.modules["bench.engine.workers"].end_children()


def _join_pools() -> None:
    """Not for a signal's handler: the code that it interrupts may hold a pool's lock."""
    if "bench.engine.workers" in sys.modules:
        sys.modules["bench.engine.workers"].join_pools()
