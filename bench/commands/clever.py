"""``bench clever``: CLEVER scores with verified upper bounds."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from bench import leaderboard
from bench.clever.results import CleverResults
from bench.clever_collect import clever_history
from bench.clever_evaluation import CleverEvaluation, expected_seconds, prepare_clever, run_clever
from bench.clever_rows import clever_rows, image_rows
from bench.commands.options import check_directory, check_numbers, model_ask
from bench.commands.running import rows_only, running
from bench.commands.screen import clever_table, say
from bench.run import lane_results
from bench.store import DirectoryStore, MemoryStore, Store

LONG = 120.0  # seconds after which a user would have liked to know


def execute(options: Namespace) -> int:
    """Scores, then writes leaderboard, figures and page; 1 if cells failed."""
    check_numbers(options)
    table, pages = Path(options.leaderboard), Path(options.reports)
    if not options.dry_run:
        leaderboard.check_writable(table)
        check_directory(pages)
    workers = options.workers or os.cpu_count() or 1
    with rows_only():
        evaluation = prepare_clever(model_ask(options), _clever_options(options))
    if options.dry_run:
        known = DirectoryStore(Path(options.store)) if Path(options.store).is_dir() else MemoryStore()
        return _show_plan(evaluation, known, workers, as_json=options.json)
    store = DirectoryStore(Path(options.store))
    with rows_only():
        seconds = expected_seconds(evaluation, store) / workers
    if seconds > LONG:
        say(
            f"this will take about {seconds / 60:.0f} minutes; it may be stopped and gone on with at any time"
        )
    with running(evaluation.bench, evaluation.device, workers) as (executor, progress):
        results, failures = run_clever(evaluation, store, executor, progress)
    leaderboard.merge(table, clever_rows(results))
    page = write_page(store, evaluation.setting.dataset, pages, results)
    if options.json:
        print(json.dumps(image_rows(results), allow_nan=False))
    elif results.models:
        clever_table(results)
    say(f"leaderboard: {table} ({len(results.models)} rows), page: {page}")
    for failure in failures:
        say(f"bench: failed: {failure}")
    return 1 if failures else 0


def write_page(
    store: Store, dataset: str, directory: Path, results: CleverResults | None = None
) -> Path | None:
    """Draws the page of a data set's newest CLEVER setting; ``None`` if there is none."""
    from bench.report.clever_page import write_clever_page

    history = [each for each in clever_history(store, dataset) if each.models or each.failed]
    newest = results or (history[0] if history else None)
    if newest is None:
        return None
    # The store may hold more models of this setting than this run asked for; failures are this run's.
    known = {each.setting: each for each in history}
    shown = known.get(newest.setting, newest)
    others = [each for each in history if each.setting != newest.setting]
    return write_clever_page(replace(shown, failed=newest.failed), others, directory)


def _clever_options(options: Namespace) -> dict[str, object]:
    names = ("engine", "norm", "radius", "preset", "batches", "samples", "pool_factor", "targets")
    return {name: getattr(options, name) for name in names}


def _show_plan(evaluation: CleverEvaluation, store: Store, workers: int, *, as_json: bool) -> int:
    total = len(evaluation.lanes)
    stored = sum(1 for lane in evaluation.lanes if lane_results(store, lane))
    with rows_only():
        seconds = expected_seconds(evaluation, store) / workers
    if as_json:
        plan = {"cells": total, "stored": stored, "to_run": total - stored, "seconds_about": seconds}
        print(json.dumps(plan))
    else:
        print(f"{total} cells, {stored} stored, {total - stored} to run, about {seconds:.0f} s")
    return 0
