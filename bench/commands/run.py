"""``bench run``: models × attacks × ε on one data set, from the store where it can."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from bench import leaderboard
from bench.attacks import parse_requests
from bench.audit_collect import verdicts
from bench.audit_evaluation import audit_of
from bench.commands.audit import audited
from bench.commands.audit_screen import audit_table
from bench.commands.options import (
    check_directory,
    check_numbers,
    data_source,
    model_names,
    names,
    shown_command,
)
from bench.commands.running import rows_only, running
from bench.commands.screen import ranked_table, say
from bench.commands.writing import write_page
from bench.estimate import seconds_left
from bench.evaluation import Ask, Evaluation, prepare, run_evaluation
from bench.rows import rows
from bench.run import lane_results
from bench.store import DirectoryStore, MemoryStore, Store

PARAMETERS = ("steps", "alpha", "restarts", "targets", "queries", "eot", "rotation", "translation")


def execute(options: Namespace) -> int:
    """Measures, then writes leaderboard, figures and pages; 1 if cells failed."""
    ask = asked(options)
    table, pages = Path(options.leaderboard), Path(options.reports)
    if not options.dry_run:
        leaderboard.check_writable(table)
        check_directory(pages)
    workers = options.workers or os.cpu_count() or 1
    with rows_only():
        evaluation = prepare(ask)
    if options.dry_run:
        known = DirectoryStore(Path(options.store)) if Path(options.store).is_dir() else MemoryStore()
        return _show_plan(evaluation, known, workers, as_json=options.json)
    store = DirectoryStore(Path(options.store))
    with running(evaluation.bench, evaluation.device, workers) as (executor, progress):
        # the first seed last: the newest run is the one that pages show in full
        outcomes = [
            run_evaluation(each, store, executor, progress)
            for each in reversed(_by_seed(evaluation, options.seeds))
        ]
    results = [found for outcome in reversed(outcomes) for found in outcome.results]
    failures = [failure for outcome in reversed(outcomes) for failure in outcome.failures]
    if options.audit:
        audit = audit_of(evaluation, options.audit)
        audits, faults = audited(audit, store, workers)
        failures += faults
    marks = verdicts(store)
    fresh = [row for found in results for row in rows(found, marks)]
    leaderboard.merge(table, fresh)
    leaderboard.mark(table, marks)
    page = write_page(store, evaluation.setting.dataset, pages, [str(failure) for failure in failures])
    if options.json:
        print(json.dumps(fresh, allow_nan=False))
    elif fresh:
        ranked_table(results[0], marks)
        if options.audit:
            audit_table(audits)
    say(f"leaderboard: {table} ({len(fresh)} rows)" + (f", page: {page}" if page else ""))
    for failure in failures:
        say(f"bench: failed: {failure}")
    return 1 if failures else 0


def _by_seed(evaluation: Evaluation, seeds: int | None) -> list[Evaluation]:
    """The evaluation once for every seed: its own and those that follow."""
    first = evaluation.setting.seed
    return [
        replace(evaluation, setting=replace(evaluation.setting, seed=seed))
        for seed in range(first, first + (seeds or 1))
    ]


def asked(options: Namespace) -> Ask:
    """The ask that command-line options mean; raises ``UsageError``."""
    params = {name: getattr(options, name) for name in PARAMETERS}
    given = {name: value for name, value in params.items() if value is not None}
    if options.no_random_start:
        given["random_start"] = False
    if options.best_iterate:
        given["best_iterate"] = True
    check_numbers(options)
    return Ask(
        models=model_names(options),
        requests=parse_requests(
            names(options.attacks), library=options.library, norm=options.norm, params=given
        ),
        data=data_source(options),
        weights=options.weights,
        weights_from=options.weights_from,
        eps=names(options.eps) if options.eps is not None else None,
        n=options.n,
        norm=options.norm,
        seed=options.seed,
        independent=options.independent,
        device=options.device,
        command=shown_command(options.argv),
        download=options.download,
    )


def _show_plan(evaluation: Evaluation, store: Store, workers: int, *, as_json: bool) -> int:
    lanes = evaluation.lanes
    total = len({lane.clean.key for lane in lanes}) + sum(len(lane) - 1 for lane in lanes)
    clean = {lane.clean.key for lane in lanes if store.get(lane.clean.key)}
    stored = len(clean) + sum(max(0, len(lane_results(store, lane)) - 1) for lane in lanes)
    with rows_only():
        seconds = seconds_left(evaluation, store) / workers
    if as_json:
        plan = {"cells": total, "stored": stored, "to_run": total - stored, "seconds_at_most": seconds}
        print(json.dumps(plan))
    else:
        print(f"{total} cells, {stored} stored, {total - stored} to run, at most about {seconds:.0f} s")
    return 0
