"""``bench reproduce``: the paper's tables, figures and claims beside what is measured here."""

from __future__ import annotations

import json
import os
import platform
from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench.commands.places import writable_places
from bench.commands.running import LONG, exit_code, rows_only, running, show_plan
from bench.engine.driver import Failure, backend
from bench.engine.store import DirectoryStore, Store
from bench.leaderboard import file as leaderboard
from bench.studies.audit.collect import audit_history, verdicts
from bench.studies.paper import SECTIONS, Reproduction
from bench.studies.paper.collect import collect_reproduction, reproductions
from bench.studies.paper.plan import SIZES, Plan, Sizes, plan
from bench.studies.paper.run import measured, seconds_at_most
from bench.studies.paper.screen import as_json, claims_table, numbers_table, sections_table
from bench.studies.paper.sections import DATASETS, needed, remedy
from bench.studies.robustness.rows import outcomes, rows
from bench.studies.shared.options import check_numbers, data_ask, shown_data, told
from bench.studies.shared.screen import say


def execute(options: Namespace) -> int:
    """Measures, then prints how far sections and claims came, and draws the page; 1 if cells failed."""
    return carried_out(options, SIZES[options.budget])


def carried_out(options: Namespace, sizes: Sizes) -> int:
    """As ``execute``, with the sizes of a budget."""
    check_numbers(options)
    table, _ = writable_places(options)
    workers = options.workers or os.cpu_count() or 1
    with rows_only():
        planned = plan(
            data_ask(options),
            _sections(options),
            budget=options.budget,
            options=shown_data(options),
            sizes=sizes,
        )
    _say_left_out(planned, options)
    if options.dry_run:
        return show_plan(options, planned.lanes, partial(seconds_at_most, planned), workers)
    store = DirectoryStore(Path(options.store))
    with rows_only():
        seconds = seconds_at_most(planned, store) / workers
    _say_how_long(seconds, options, workers)
    found, page, failures = _measured(planned, store, options, workers, whole=not seconds)
    if options.json:
        print(json.dumps(as_json(found), allow_nan=False))
    else:
        numbers_table(found)
        sections_table(found)
        claims_table(found)
    say(f"leaderboard: {table}, page: {page}")
    return exit_code(failures)


def write_page(store: Store, dataset: str, directory: Path) -> Path | None:
    """Draws the page of the newest run on a data set; ``None`` if there is none."""
    run = reproductions(store, dataset).get(dataset)
    return _draw(collect_reproduction(store, run), directory) if run else None


def _measured(
    planned: Plan, store: Store, options: Namespace, workers: int, *, whole: bool
) -> tuple[Reproduction, Path, list[Failure]]:
    """Runs the plan; leaderboard and page are written after each part, so that a kill leaves both.

    ``whole`` says that the store has all of it: then the page is drawn once.
    """
    table, pages = Path(options.leaderboard), Path(options.reports)
    failures: list[Failure] = []
    drawn, marks = None, verdicts(audit_history(store))
    with running(planned.loaded, options.device, workers) as (executor, progress):
        for stage in measured(planned, store, executor, progress):
            failures += stage.failures
            known = {key: value for results in stage.results for key, value in outcomes(results).items()}
            leaderboard.merge(table, [row for each in stage.results for row in rows(each, marks)], known)
            drawn = None if whole else _drawn(planned, store, pages, failures)
    return *(drawn or _drawn(planned, store, pages, failures)), failures


def _drawn(
    planned: Plan, store: Store, pages: Path, failures: Sequence[Failure]
) -> tuple[Reproduction, Path]:
    found = collect_reproduction(store, planned.manifest(), [str(failure) for failure in failures])
    return found, _draw(found, pages)


def _draw(reproduction: Reproduction, directory: Path) -> Path:
    from bench.studies.paper.page import write_reproduction

    return write_reproduction(reproduction, directory)


def _sections(options: Namespace) -> tuple[str, ...]:
    """Ids of the sections asked for; none for all."""
    if options.all:
        return ()
    return (f"table{options.table}",) if options.table else (f"figure{options.figure}",)


def _say_left_out(planned: Plan, options: Namespace) -> None:
    for section in planned.elsewhere:
        dataset = needed(section).datasets[0]
        say(
            f"{SECTIONS[section].title} is about {DATASETS[dataset]}: not measured here; "
            f"{told(remedy([section], dataset), options)}"
        )
    for name, command in planned.page["missing"].items():
        say(f"{name} has no weights for these images and is left out; {told(command, options)}")


def _say_how_long(seconds: float, options: Namespace, workers: int) -> None:
    if seconds > LONG or (seconds and options.budget == "full"):
        machine = f"{platform.machine()}, {backend(options.device)}"
        say(
            f"this will take at most about {_duration(seconds)} on this machine ({machine}, "
            f"{_processes(workers)}); it may be stopped and gone on with at any time"
        )


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds > 2 * 3600 else f"{seconds / 60:.0f} minutes"


def _processes(workers: int) -> str:
    return "1 process" if workers == 1 else f"{workers} processes"
