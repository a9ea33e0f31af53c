"""``bench run``: models × attacks × ε on one data set, from the store where it can."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from bench import leaderboard
from bench.attacks import Request, parse_requests
from bench.cell import Scalar
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
from bench.estimate import seconds_left
from bench.evaluation import Ask, Evaluation, prepare_each, run_each
from bench.history import chapters, page_results
from bench.protocols import OWN_SCRIPT, released_rules
from bench.results import Results
from bench.rows import rows
from bench.run import lane_results
from bench.store import DirectoryStore, MemoryStore, Store
from zoo.grouped import Groups


def execute(options: Namespace) -> int:
    """Measures, then writes leaderboard, figures and pages; 1 if cells failed."""
    ask = asked(options)
    table, pages = Path(options.leaderboard), Path(options.reports)
    if not options.dry_run:
        leaderboard.check_writable(table)
        check_directory(pages)
    workers = options.workers or os.cpu_count() or 1
    with rows_only():
        evaluations = prepare_each(ask)
    if options.dry_run:
        known = DirectoryStore(Path(options.store)) if Path(options.store).is_dir() else MemoryStore()
        return _show_plan(evaluations, known, workers, as_json=options.json)
    store = DirectoryStore(Path(options.store))
    with running(evaluations[0].bench, ask.device, workers) as (executor, progress):
        outcomes = run_each(evaluations, store, executor, progress)
    fresh = [row for outcome in outcomes for results in outcome.results for row in rows(results)]
    failures = [failure for outcome in outcomes for failure in outcome.failures]
    leaderboard.merge(table, fresh)
    page = write_page(store, evaluations[0].setting.dataset, pages, [str(f) for f in failures])
    if options.json:
        print(json.dumps(fresh, allow_nan=False))
    else:
        for outcome in outcomes:
            if any(results.models for results in outcome.results):
                ranked_table(outcome.results[0])
    say(f"leaderboard: {table} ({len(fresh)} rows)" + (f", page: {page}" if page else ""))
    for failure in failures:
        say(f"bench: failed: {failure}")
    return 1 if failures else 0


def asked(options: Namespace) -> Ask:
    """The ask that command-line options mean; raises ``UsageError``."""
    params = {"steps": options.steps, "alpha": options.alpha, "restarts": options.restarts}
    given: dict[str, Scalar] = {name: value for name, value in params.items() if value is not None}
    if options.no_random_start:
        given["random_start"] = False
    check_numbers(options)
    return Ask(
        models=model_names(options),
        requests=_requests(options, given),
        data=data_source(options),
        weights=options.weights,
        weights_from=options.weights_from,
        eps=names(options.eps) if options.eps is not None else None,
        n=options.n,
        norm=options.norm,
        seed=options.seed,
        independent=options.independent,
        protocol=options.protocol,
        device=options.device,
        command=shown_command(options.argv),
        download=options.download,
    )


def _requests(options: Namespace, params: dict[str, Scalar]) -> tuple[Request, ...]:
    """The attacks asked for; none where a protocol brings its own and nothing but the defaults was given."""
    default = (options.attacks, options.library) == ("fgsm,pgd", "torchattacks") and not params
    if default and options.protocol.partition(":")[0] == OWN_SCRIPT:
        return ()
    return parse_requests(names(options.attacks), library=options.library, norm=options.norm, params=params)


def write_page(store: Store, dataset: str, directory: Path, failed: Sequence[str]) -> Path | None:
    """Draws a data set's page; ``None`` if nothing of it is complete."""
    from bench import report

    # what a released protocol measured never stands before sound results
    newest, *older = sorted(
        chapters(store, dataset), key=lambda each: released_rules(each.setting.protocol) is not None
    )
    main, apart = page_results(store, newest, failed)
    others = list(apart)
    for chapter in older:
        first, rest = page_results(store, chapter)
        others += [first, *rest]
    if not main.models and not main.failed:
        return None
    note = _group_page(main, newest.groups, directory) if newest.groups else ""
    return report.write(main, [results for results in others if results.models], directory, data_note=note)


def _group_page(results: Results, groups: Groups, directory: Path) -> str:
    """Draws the page of a corrupted data set by corruption; a sentence about such data for the other page."""
    from bench.report.groups_page import INTERVALS, write_groups_page

    page = write_groups_page(results, groups, directory)
    return INTERVALS + (f" By corruption, and with intervals that know it: {page.name}." if page else "")


def _show_plan(evaluations: Sequence[Evaluation], store: Store, workers: int, *, as_json: bool) -> int:
    lanes = [lane for evaluation in evaluations for lane in evaluation.lanes]
    total = len({lane.clean.key for lane in lanes}) + sum(len(lane) - 1 for lane in lanes)
    clean = {lane.clean.key for lane in lanes if store.get(lane.clean.key)}
    stored = len(clean) + sum(max(0, len(lane_results(store, lane)) - 1) for lane in lanes)
    with rows_only():
        seconds = sum(seconds_left(evaluation, store) for evaluation in evaluations) / workers
    if as_json:
        plan = {"cells": total, "stored": stored, "to_run": total - stored, "seconds_at_most": seconds}
        print(json.dumps(plan))
    else:
        print(f"{total} cells, {stored} stored, {total - stored} to run, at most about {seconds:.0f} s")
    return 0
