"""What the measuring commands share: workers with a progress bar, and a stdout kept for rows."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from bench.commands.screen import cells_bar
from bench.executors import Bench, Executor, executor_for


def rows_only() -> contextlib.redirect_stdout:
    """What a user's own model prints goes to stderr: it must not get between the rows of ``--json``."""
    return contextlib.redirect_stdout(sys.stderr)


@contextlib.contextmanager
def running(bench: Bench, device: str, workers: int) -> Iterator[tuple[Executor, Callable[[int, int], None]]]:
    """An executor and a progress bar for it, both stopped afterwards."""
    executor = executor_for(bench, device, workers)
    try:
        with rows_only(), cells_bar() as progress:
            yield executor, progress
    finally:
        executor.close()
