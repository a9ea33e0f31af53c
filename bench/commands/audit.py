"""``bench audit``: may the numbers of these models be believed?"""

from __future__ import annotations

import json
import os
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from bench.commands.audit_screen import audit_table
from bench.commands.options import check_numbers, model_ask, names, writable_places
from bench.commands.running import exit_code, rows_only, running
from bench.commands.screen import say
from bench.commands.writing import write_page
from bench.engine.driver import Failure
from bench.engine.store import DirectoryStore, MemoryStore, Store
from bench.leaderboard import file as leaderboard
from bench.studies.audit import to_json
from bench.studies.audit.collect import AuditResults, audit_history, verdicts
from bench.studies.audit.evaluation import AuditEvaluation, prepare_audit, run_audit
from bench.studies.audit.plan import first_lanes, strength_lanes
from bench.studies.robustness.estimate import cells
from bench.studies.robustness.evaluation import run_evaluation
from bench.studies.robustness.history import chapters


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
    if options.dry_run:
        return _show_plan(audit)
    store = DirectoryStore(Path(options.store))
    workers = options.workers or os.cpu_count() or 1
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
    """Runs an audit with a progress bar."""
    evaluation = audit.evaluation
    with running(evaluation.loaded, evaluation.device, workers) as (executor, progress):
        return run_audit(audit, store, executor, progress)


def _show_plan(audit: AuditEvaluation) -> int:
    infos = [info for _, info in audit.evaluation.models]
    eps = dict.fromkeys(infos, audit.setting.base.eps[-1])  # which ε it will be depends on the results
    lanes = first_lanes(audit.setting, infos) + strength_lanes(audit.setting, infos, eps)
    total, _ = cells(lanes, MemoryStore())
    print(f"{len(infos)} models, {total} cells at most, less what is stored")
    return 0


def _have_a_page(audit: AuditEvaluation, store: Store, workers: int) -> None:
    """Without any sound run on the data set no page can show it; then the evaluation under audit makes one."""
    if not all(chapter.released for chapter in chapters(store, audit.setting.base.dataset)):
        return
    evaluation = replace(audit.evaluation, setting=audit.setting.base)
    with running(evaluation.loaded, evaluation.device, 1) as (executor, _):
        run_evaluation(evaluation, store, executor)
