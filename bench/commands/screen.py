"""Progress on stderr: a bar on a terminal, else a line every ten seconds."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from bench.commands.progress_lines import clock, progress_lines
from bench.studies.shared.screen import say


@contextlib.contextmanager
def cells_bar(of: str = "cells", most: float = 0.0) -> Iterator[Callable[[int, int], None]]:
    """Progress and the time left, on stderr: a bar on a terminal, else a line every ten seconds.

    A first line says the ``most`` seconds it takes, unless that is less than one.
    """
    if round(most):
        say(f"measuring: at most about {clock(most)} left")
    console = Console(stderr=True)
    if not console.is_terminal:
        with progress_lines(of, most=most) as told:
            yield told
        return
    columns = (
        TextColumn("measuring"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(f"{of},"),
        TimeElapsedColumn(),
        TextColumn("gone,"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(of, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
