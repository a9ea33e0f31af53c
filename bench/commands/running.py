"""Shared parts of the measuring commands: workers with a progress bar, stdout for rows only, plans and exit codes."""

from __future__ import annotations

import contextlib
import json
import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bench.engine.driver import Failure
from bench.engine.executors import Executor, executor_for
from bench.engine.loaded import Loaded
from bench.engine.store import store_at
from bench.engine.study import Study
from bench.engine.where import Where
from bench.engine.workers import end_children
from bench.studies.robustness.estimate import cells
from bench.studies.shared.screen import say

LONG = 120.0  # seconds after which the time is announced


def rows_only() -> contextlib.redirect_stdout:
    """Sends prints of a user's own model to stderr: they must not mix with the rows of ``--json``."""
    return contextlib.redirect_stdout(sys.stderr)


@contextlib.contextmanager
def executing(loaded: Loaded, where: Where) -> Iterator[Executor]:
    """The executor of cells, stopped afterwards; after a fault without waiting for cells."""
    with rows_only():  # Ray prints messages of its nodes
        executor = executor_for(loaded, where)
        try:
            yield executor
        except BaseException:
            end_children()
            raise
        finally:
            executor.close()


def show_plan(study: Study[Any, Any], ready: Any, options: Namespace, where: Where) -> int:
    """Prints what a run would measure and how long it would take; nothing is written, not even a store."""
    store = store_at(Path(options.store))
    total, stored = cells(study.lanes(ready), store)
    with executing(ready.loaded, where) as executor:
        left = study.seconds(ready, store) / executor.slots
    key, words = ("seconds_at_most", "at most about") if study.at_most else ("seconds_about", "about")
    if options.json:
        print(json.dumps({"cells": total, "stored": stored, "to_run": total - stored, key: left}))
    else:
        print(f"{total} cells, {stored} stored, {total - stored} to run, {words} {left:.0f} s")
    return 0


def duration(seconds: float) -> str:
    """``2.5 hours`` or ``35 minutes``."""
    return f"{seconds / 3600:.1f} hours" if seconds > 2 * 3600 else f"{seconds / 60:.0f} minutes"


def exit_code(failures: Iterable[Failure]) -> int:
    """Names what failed on stderr; 1 if anything did."""
    code = 0
    for failure in failures:
        say(f"bench: failed: {failure}")
        code = 1
    return code
