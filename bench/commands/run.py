"""``bench run``: models × attacks × ε on one data set, from the store where it can."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

from bench.attacks import Request, parse_requests
from bench.commands.audit import audited
from bench.commands.places import writable_places
from bench.commands.running import exit_code, rows_only, running, show_plan
from bench.engine.cell import Scalar
from bench.engine.driver import Failure
from bench.engine.protocols import OWN_SCRIPT, released_rules
from bench.engine.store import DirectoryStore, Store
from bench.errors import UsageError
from bench.studies.attacked.drawing import write_page
from bench.studies.attacked.marking import write_rows
from bench.studies.attacked.screen import ranked_table
from bench.studies.audit.collect import AuditResults, audit_history, verdicts
from bench.studies.audit.evaluation import DEFAULT_N, audit_of
from bench.studies.audit.findings import limit_of
from bench.studies.audit.screen import audit_table
from bench.studies.robustness.corruption_errors import errors_of
from bench.studies.robustness.corruption_run import lanes_besides, run_besides
from bench.studies.robustness.estimate import seconds_left
from bench.studies.robustness.evaluation import Evaluation, Outcome, prepare_each, run_each
from bench.studies.robustness.results import Results
from bench.studies.robustness.rows import vanished
from bench.studies.shared.ask import Ask
from bench.studies.shared.options import check_numbers, model_ask, names
from bench.studies.shared.screen import say

PARAMETERS = ("steps", "alpha", "restarts", "targets", "queries", "eot", "rotation", "translation")


def execute(options: Namespace) -> int:
    """Measures, then writes leaderboard, figures and pages; 1 if cells failed."""
    ask = asked(options)
    table, pages = writable_places(options)
    workers = options.workers or os.cpu_count() or 1
    with rows_only():
        evaluations = prepare_each(ask)
    if options.dry_run:
        lanes = [lane for evaluation in evaluations for lane in evaluation.lanes]
        lanes += lanes_besides(evaluations)
        return show_plan(options, lanes, partial(_seconds, evaluations), workers)
    store = DirectoryStore(Path(options.store))
    found, faults = _measured(evaluations, options.seeds, store, workers)
    failures = [failure for outcome in found for failure in outcome.failures] + faults
    audits: AuditResults | None = None
    if options.audit:
        (evaluation,) = evaluations
        n = min(DEFAULT_N, evaluation.setting.n)
        audits, faults = audited(audit_of(evaluation, options.audit, n), store, workers)
        failures += faults
    history = audit_history(store)
    marks = verdicts(history)
    results = [each for outcome in found for each in outcome.results]
    dataset = evaluations[0].setting.dataset
    errors = errors_of(store, dataset)
    shown, fresh = write_rows(table, store, results, marks, options.worst_of, errors)
    page = write_page(store, dataset, pages, [str(failure) for failure in failures], history)
    if options.json:
        print(json.dumps(fresh, allow_nan=False))
    else:
        of_outcome = iter(shown)
        _print(
            [list(islice(of_outcome, len(each.results))) for each in found[: len(evaluations)]], marks, audits
        )
    if audits is None:  # else check C3 has said so
        _say_vanished(found[: len(evaluations)])
    say(f"leaderboard: {table} ({len(fresh)} rows)" + (f", page: {page}" if page else ""))
    return exit_code(failures)


def _measured(
    evaluations: Sequence[Evaluation], seeds: int | None, store: Store, workers: int
) -> tuple[list[Outcome], list[Failure]]:
    """What came out of the evaluations with their own seed, then with each of those that follow.

    Of corrupted images also what failed on the images they were made of.
    """
    of = evaluations[0]
    with running(of.loaded, of.device, workers) as (executor, progress):
        # the first seed last: the newest run is the one that pages show in full
        outcomes = [
            run_each(each, store, executor, progress) for each in reversed(_by_seed(evaluations, seeds))
        ]
        faults = run_besides(evaluations, store, executor, progress)
    return [outcome for each in reversed(outcomes) for outcome in each], list(faults)


def _by_seed(evaluations: Sequence[Evaluation], seeds: int | None) -> list[list[Evaluation]]:
    """The evaluations once for every seed: their own and those that follow."""
    return [
        [replace(each, setting=replace(each.setting, seed=each.setting.seed + i)) for each in evaluations]
        for i in range(seeds or 1)
    ]


def _print(
    found: Sequence[Sequence[Results]], marks: Mapping[tuple[str, str], str], audits: AuditResults | None
) -> None:
    for each in found:
        if any(results.models for results in each):
            ranked_table(each[0], marks)
    if audits is not None:
        audit_table(audits)


def _say_vanished(outcomes: Sequence[Outcome]) -> None:
    """Names the models that hide their gradient on more images than the audit's check C3 lets pass."""
    for results in (each for outcome in outcomes for each in outcome.results):
        if released_rules(results.setting.protocol) is not None:
            continue
        for model in results.models:
            hidden, right = vanished(model.clean), int(model.clean.correct.sum())
            if hidden > limit_of("C3") * right:
                say(
                    f"{model.info.name}: on {hidden} of {right} images the gradient is exactly 0, so gradient "
                    "attacks cannot move them; run bench audit"
                )


def asked(options: Namespace) -> Ask:
    """The ask that command-line options mean; raises ``UsageError``."""
    params = {name: getattr(options, name) for name in PARAMETERS}
    given: dict[str, Scalar] = {name: value for name, value in params.items() if value is not None}
    if options.no_random_start:
        given["random_start"] = False
    if options.best_iterate:
        given["best_iterate"] = True
    check_numbers(options)
    if options.audit and options.protocol.partition(":")[0] == OWN_SCRIPT:
        raise UsageError(
            f"--audit is {options.audit}, but protocol {options.protocol} cannot be audited, only sound; "
            "leave --audit or --protocol out"
        )
    requests = _requests(options, given)
    if options.eps is not None and requests and all(each.spec.threat == "spatial" for each in requests):
        raise UsageError(f"--eps is {options.eps}, but rotations and translations have no ε; leave it out")
    return replace(
        model_ask(options),
        requests=requests,
        eps=names(options.eps) if options.eps is not None else None,
        norm=options.norm,
        independent=options.independent,
        protocol=options.protocol,
        mce_baseline=options.mce_baseline,
    )


def _requests(options: Namespace, params: dict[str, Scalar]) -> tuple[Request, ...]:
    """The attacks asked for; none where a protocol brings its own and nothing but the defaults was given."""
    default = (options.attacks, options.library) == ("fgsm,pgd", None) and not params
    if default and options.protocol.partition(":")[0] == OWN_SCRIPT:
        return ()
    return parse_requests(names(options.attacks), library=options.library, norm=options.norm, params=params)


def _seconds(evaluations: Sequence[Evaluation], store: Store) -> float:
    return sum(seconds_left(evaluation, store) for evaluation in evaluations)
