"""Ctrl-C and SIGTERM: a command stops at once, what was measured is kept, and no process is left."""

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
        raise Interrupted(number)

    here = threading.current_thread() is threading.main_thread()
    before = {each: signal.signal(each, stop) for each in _STOPPING} if here else {}
    try:
        yield
    except BaseException:
        _end_children()
        raise
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _end_children() -> None:
    if "bench.engine.rooms" in sys.modules:  # else none was started
        sys.modules["bench.engine.rooms"].end_children()
