"""``bench audit``: may the numbers of these models be believed?"""

from __future__ import annotations

import json
import os
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench.commands.places import writable_places
from bench.commands.running import exit_code, rows_only, running, show_plan
from bench.engine.driver import Failure
from bench.engine.lane import Lane
from bench.engine.store import DirectoryStore, Store
from bench.errors import CellError, UsageError
from bench.leaderboard import file as leaderboard
from bench.studies.attacked.drawing import write_page
from bench.studies.audit import to_json
from bench.studies.audit.collect import AuditResults, audit_history, verdicts
from bench.studies.audit.evaluation import AuditEvaluation, planned_lanes, prepare_audit, run_audit
from bench.studies.audit.screen import audit_table
from bench.studies.robustness.estimate import seconds_of
from bench.studies.robustness.evaluation import run_evaluation
from bench.studies.robustness.history import chapters
from bench.studies.shared.options import check_numbers, model_ask, names
from bench.studies.shared.screen import say


def execute(options: Namespace) -> int:
    """Audits every model, marks its rows, and draws the page; 1 if cells failed."""
    check_numbers(options)
    table, pages = writable_places(options)
    ask = replace(
        model_ask(options),
        eps=names(options.eps) if options.eps is not None else None,
        norm=options.norm,
    )
    with rows_only():
        audit = prepare_audit(ask, options.audit)
    workers = options.workers or os.cpu_count() or 1
    if options.dry_run:
        lanes = planned_lanes(audit)
        return show_plan(options, lanes, partial(_most_seconds, audit, lanes), workers)
    store = DirectoryStore(Path(options.store))
    results, failures = audited(audit, store, workers)
    _have_a_page(audit, store, workers)
    history = audit_history(store)
    leaderboard.mark(table, verdicts(history))
    page = write_page(store, audit.setting.base.dataset, pages, [], history)
    if options.json:
        print(json.dumps([to_json(each) for each in results.audits]))
    else:
        audit_table(results)
    say(f"leaderboard: {table}, page: {page}")
    return exit_code(failures)


def audited(audit: AuditEvaluation, store: Store, workers: int) -> tuple[AuditResults, tuple[Failure, ...]]:
    """Runs an audit with a progress bar, which says from the first seconds on how long it takes at most."""
    evaluation = audit.evaluation
    lanes = planned_lanes(audit)
    with rows_only():
        most = _most_seconds(audit, lanes, store) / min(workers, len(lanes))
    with running(evaluation.loaded, evaluation.device, workers, most) as (executor, progress):
        return run_audit(audit, store, executor, progress)


def _most_seconds(audit: AuditEvaluation, lanes: Sequence[Lane], store: Store) -> float:
    """Seconds of one worker; 0 where a model cannot be timed, which the audit itself will say."""
    try:
        return seconds_of(audit.evaluation, lanes, store)
    except (CellError, RuntimeError, UsageError):
        return 0.0


def _have_a_page(audit: AuditEvaluation, store: Store, workers: int) -> None:
    """Without any sound run on the data set no page can show it; then the evaluation under audit makes one."""
    if not all(chapter.released for chapter in chapters(store, audit.setting.base.dataset)):
        return
    evaluation = replace(audit.evaluation, setting=audit.setting.base)
    with running(evaluation.loaded, evaluation.device, 1) as (executor, _):
        run_evaluation(evaluation, store, executor)
