"""Runs a study; the same for every measuring command."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.commands.ending import drawing, next_command
from bench.commands.places import check_directory
from bench.commands.running import LONG, duration, executing, exit_code, rows_only, show_plan
from bench.commands.screen import cells_bar
from bench.engine.driver import Failure, driver
from bench.engine.executors import Executor
from bench.engine.heap import keep_freed_memory
from bench.engine.store import DirectoryStore, Store
from bench.engine.studies import find_study
from bench.engine.study import Study
from bench.engine.where import Where
from bench.errors import CellError, UsageError
from bench.leaderboard import file as leaderboard
from bench.studies.shared.batch import within_memory
from bench.studies.shared.options import check_numbers
from bench.studies.shared.screen import say
from bench.studies.shared.where import where_of


def execute(options: Namespace) -> int:
    """Measures what the store lacks, then writes leaderboard and page; 1 for failed cells or contradictions."""
    keep_freed_memory()
    study = find_study(options.command)
    check_numbers(options)
    where = where_of(options)
    _check_places(study, options)
    with rows_only():
        ready = study.prepare(options)
    where = within_memory(where, ready.loaded)
    for note in study.notes(ready, options):
        say(note)
    if options.dry_run:
        return show_plan(study, ready, options, where)
    run = _Run(study, ready, options, where)
    failures = run.measured()
    results, count, page = run.shown(failures)
    if options.json:
        print(json.dumps(study.as_json(results), allow_nan=False))
    else:
        study.show(results)
    for warning in study.warnings(results):
        say(warning)
    faults = [f"fault of symbench: {fault}" for fault in study.faults(results)]
    for fault in faults:
        say(fault)
    rows = f" ({count} rows)" if count else ""
    places = [f"leaderboard: {options.leaderboard}{rows}"] if study.has_rows else []
    places += [f"page: {page}"] if page else []
    say(", ".join(places) or f"{study.name}: nothing to draw yet")
    after = "audit" if study.audited(results) else study.name
    if page and not failures and (following := next_command(after, options)):
        say(f"next: {following}")
    return exit_code(failures) or int(bool(faults))


def _check_places(study: Study[Any, Any], options: Namespace) -> None:
    """Raises ``UsageError`` if the leaderboard or the pages must be written and cannot be."""
    if options.dry_run:
        return
    if study.has_rows:
        leaderboard.check_writable(Path(options.leaderboard))
    check_directory(Path(options.reports))


class _Run:
    """One run of a study, from store to page."""

    def __init__(self, study: Study[Any, Any], ready: Any, options: Namespace, where: Where) -> None:
        self._study, self._ready, self._options = study, ready, options
        self._store: Store = DirectoryStore(Path(options.store))
        self._where = where

    def measured(self) -> list[Failure]:
        """Runs the batches; the cells that failed."""
        with executing(self._ready.loaded, self._where) as executor:
            seconds = self._seconds(executor.slots)
            for record in self._study.records(self._ready):
                self._store.put_run(record)
            with cells_bar(most=seconds if self._study.at_most else 0.0) as progress:
                return self._batches(executor, progress, in_parts=bool(seconds))

    def _batches(
        self, executor: Executor, progress: Callable[[int, int], None], *, in_parts: bool
    ) -> list[Failure]:
        failures: list[Failure] = []
        for number, batch in enumerate(self._study.batches(self._ready, self._store)):
            if number and in_parts and self._study.in_parts:
                self.shown(failures)  # a killed run then leaves complete files
            drive = driver(batch.planned, self._store, executor, progress)
            failures += drive.run(batch.lanes)
        return list(dict.fromkeys(failures))

    def shown(self, failures: list[Failure]) -> tuple[Any, int, Path | None]:
        """Results, number of rows written, and the page."""
        options, study = self._options, self._study
        results = study.collect(self._ready, self._store, failures)
        count = 0
        if study.has_rows:
            results, count = study.publish(Path(options.leaderboard), self._store, results)
        with drawing():
            page = study.page(self._store, self._ready.dataset, Path(options.reports), results)
        return results, count, page

    def _seconds(self, slots: int) -> float:
        """The most seconds that the run takes, printed if they are many; 0 if a model cannot be timed."""
        try:
            seconds = self._study.seconds(self._ready, self._store) / slots
        except (CellError, RuntimeError, UsageError):
            return 0.0  # measuring it will show the reason
        if seconds > LONG:
            about = "at most about" if self._study.at_most else "about"
            say(
                f"this will take {about} {duration(seconds)}; it can be stopped at any time, and the same "
                "command continues"
            )
        return seconds
