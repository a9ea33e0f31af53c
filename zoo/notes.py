"""Lines on stderr that a run prints once, also with several processes."""

from __future__ import annotations

import multiprocessing
import sys

_said: dict[str, None] = {}


def note_once(text: str) -> None:
    """Prints ``note: TEXT`` on stderr, the first time in a process; a worker process only keeps it."""
    if text not in _said:
        _said[text] = None
        if multiprocessing.parent_process() is None:
            print(f"note: {text}", file=sys.stderr)


def noted() -> tuple[str, ...]:
    """The notes of this process so far, in order; the main process says those of a worker."""
    return tuple(_said)
