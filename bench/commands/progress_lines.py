"""Progress where stderr is no terminal: a line every ten seconds, whatever the cells take."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator

SECONDS = 10.0


@contextlib.contextmanager
def progress_lines(of: str, every: float = SECONDS) -> Iterator[Callable[[int, int], None]]:
    """Prints what is done and the time left until the block ends; nothing in a block of less than ``every`` seconds.

    Yields:
        A function to call with (done, total).
    """
    began, ended = time.monotonic(), threading.Event()
    stand = {"done": 0, "total": 0, "first": None}

    def told(done: int, total: int) -> None:
        if stand["first"] is None and done:  # what the store holds already takes no time
            stand["first"] = (done, time.monotonic())
        stand["done"], stand["total"] = done, total

    def tell() -> None:
        while not ended.wait(every):
            print(_line(of, stand, time.monotonic() - began), file=sys.stderr, flush=True)

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        ended.set()
        thread.join()


def _line(of: str, stand: dict, gone: float) -> str:
    done, total, first = stand["done"], stand["total"], stand["first"]
    if not total:
        return f"measuring: {_clock(gone)} gone"
    text = f"measuring: {done} of {total} {of}, {_clock(gone)} gone"
    if first is None or done <= first[0]:
        return text
    left = (time.monotonic() - first[1]) / (done - first[0]) * (total - done)
    return f"{text}, about {_clock(left)} left"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
