"""Progress if stderr is no terminal: a line every ten seconds, however long the cells take."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

SECONDS = 10.0


@contextlib.contextmanager
def progress_lines(
    of: str, every: float = SECONDS, most: float = 0.0
) -> Iterator[Callable[[int, int], None]]:
    """Prints progress and the time left until the block ends; nothing in a block of less than ``every`` seconds.

    Args:
        of: name of the counted things.
        every: seconds between lines.
        most: most seconds for all, shown until the pace is known; 0 if unknown.

    Yields:
        A function to call with (done, total), first with what was done before.
    """
    began, ended = time.monotonic(), threading.Event()
    stand = _Standing()

    def told(done: int, total: int) -> None:
        now = time.monotonic()
        if stand.stored is None:
            stand.stored = done
        elif stand.first is None and done > stand.stored:
            stand.first = (done, now)  # so that the pace does not include the start of the workers
        if done != stand.done:
            stand.last = now
        stand.done, stand.total = done, total

    def tell() -> None:
        while not ended.wait(every):
            print(_line(of, stand, time.monotonic() - began, most), file=sys.stderr, flush=True)

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        ended.set()
        thread.join()


@dataclass
class _Standing:
    """The progress: done, total, what was done before, the count and time (in seconds) of the first progress, and the
    time of the last.
    """

    done: int = 0
    total: int = 0
    stored: int | None = None
    first: tuple[int, float] | None = None
    last: float = 0.0


def _line(of: str, stand: _Standing, gone: float, most: float) -> str:
    done, total, first = stand.done, stand.total, stand.first
    if not total:
        return f"measuring: {clock(gone)} gone"
    text = f"measuring: {done} of {total} {of}, {clock(gone)} gone"
    if first is None or done <= first[0]:
        return f"{text}, at most about {clock(max(0.0, most - gone))} left" if most else text
    now = time.monotonic()
    pace = (now - first[1]) / (done - first[0])
    left = max(pace * (total - done), now - stand.last)  # a slow cell: as long again
    return f"{text}, about {clock(left)} left"


def clock(seconds: float) -> str:
    """``0:01:35``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
