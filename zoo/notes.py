"""Lines on stderr that a run says once, whatever number of processes come upon them."""

from __future__ import annotations

import multiprocessing
import sys

_said: set[str] = set()


def note_once(text: str) -> None:
    """Prints ``note: TEXT`` on stderr, the first time in a process; a worker process says nothing."""
    if text not in _said and multiprocessing.parent_process() is None:
        _said.add(text)
        print(f"note: {text}", file=sys.stderr)
