"""``bench clever``: CLEVER scores with verified upper bounds."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from functools import partial
from pathlib import Path

from bench.commands.places import writable_places
from bench.commands.running import LONG, exit_code, rows_only, running, show_plan
from bench.engine.store import DirectoryStore, Store
from bench.leaderboard import file as leaderboard
from bench.studies.clever.collect import clever_history
from bench.studies.clever.evaluation import expected_seconds, prepare_clever, run_clever
from bench.studies.clever.results import CleverResults
from bench.studies.clever.rows import clever_rows, image_rows
from bench.studies.clever.screen import clever_table
from bench.studies.shared.options import check_numbers, model_ask
from bench.studies.shared.pages import draw_newest
from bench.studies.shared.screen import say


def execute(options: Namespace) -> int:
    """Scores, then writes leaderboard, figures and page; 1 if cells failed."""
    check_numbers(options)
    table, pages = writable_places(options)
    workers = options.workers or os.cpu_count() or 1
    with rows_only():
        evaluation = prepare_clever(model_ask(options), _clever_options(options))
    if options.dry_run:
        return show_plan(
            options, evaluation.lanes, partial(expected_seconds, evaluation), workers, at_most=False
        )
    store = DirectoryStore(Path(options.store))
    with rows_only():
        seconds = expected_seconds(evaluation, store) / workers
    if seconds > LONG:
        say(
            f"this will take about {seconds / 60:.0f} minutes; it may be stopped and gone on with at any time"
        )
    with running(evaluation.loaded, evaluation.device, workers) as (executor, progress):
        results, failures = run_clever(evaluation, store, executor, progress)
    leaderboard.merge(table, clever_rows(results))
    page = write_page(store, evaluation.setting.dataset, pages, results)
    if options.json:
        print(json.dumps(image_rows(results), allow_nan=False))
    elif results.models:
        clever_table(results)
    say(f"leaderboard: {table} ({len(results.models)} rows), page: {page}")
    return exit_code(failures)


def write_page(
    store: Store, dataset: str, directory: Path, results: CleverResults | None = None
) -> Path | None:
    """Draws the page of a data set's newest CLEVER setting; ``None`` if there is none."""
    from bench.studies.clever.page import write_clever_page

    history = [each for each in clever_history(store, dataset) if each.models]
    return draw_newest(history, results, write_clever_page, directory)


def _clever_options(options: Namespace) -> dict[str, object]:
    names = ("engine", "norm", "radius", "preset", "batches", "samples", "pool_factor", "targets")
    return {name: getattr(options, name) for name in names}
