"""``bench run``: models × attacks × ε on one data set, from the store where it can."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from bench import leaderboard
from bench.attacks import parse_requests
from bench.commands.screen import cells_bar, ranked_table, say
from bench.errors import UsageError
from bench.estimate import seconds_left
from bench.evaluation import Ask, Evaluation, Outcome, executor_for, prepare, run_evaluation
from bench.history import chapters, page_results
from bench.rows import rows
from bench.run import lane_results
from bench.sources import DataSource
from bench.store import DirectoryStore, MemoryStore, Store
from zoo import entries

DATA = "$DATA"


def execute(options: Namespace) -> int:
    """Measures, then writes leaderboard, figures and pages; 1 if cells failed."""
    ask = asked(options)
    table, pages = Path(options.leaderboard), Path(options.reports)
    if not options.dry_run:
        leaderboard.check_writable(table)
        check_directory(pages)
    workers = options.workers or os.cpu_count() or 1
    # What a user's own model prints must not get between the rows of --json.
    with contextlib.redirect_stdout(sys.stderr):
        evaluation = prepare(ask)
    if options.dry_run:
        known = DirectoryStore(Path(options.store)) if Path(options.store).is_dir() else MemoryStore()
        return _show_plan(evaluation, known, workers, as_json=options.json)
    store = DirectoryStore(Path(options.store))
    with contextlib.redirect_stdout(sys.stderr):
        outcome = _measured(evaluation, store, workers)
    fresh = [row for results in outcome.results for row in rows(results)]
    leaderboard.merge(table, fresh)
    page = write_page(store, evaluation.setting.dataset, pages, [str(f) for f in outcome.failures])
    if options.json:
        print(json.dumps(fresh, allow_nan=False))
    elif fresh:
        ranked_table(outcome.results[0])
    say(f"leaderboard: {table} ({len(fresh)} rows)" + (f", page: {page}" if page else ""))
    for failure in outcome.failures:
        say(f"bench: failed: {failure}")
    return 1 if outcome.failures else 0


def asked(options: Namespace) -> Ask:
    """The ask that command-line options mean; raises ``UsageError``."""
    params = {"steps": options.steps, "alpha": options.alpha, "restarts": options.restarts}
    given = {name: value for name, value in params.items() if value is not None}
    if options.no_random_start:
        given["random_start"] = False
    _check_numbers(options)
    return Ask(
        models=model_names(options),
        requests=parse_requests(
            names(options.attacks), library=options.library, norm=options.norm, params=given
        ),
        data=DataSource(
            spec=options.dataset, root=options.data_root, name=options.name, resize=options.resize
        ),
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


def model_names(options: Namespace) -> tuple[str, ...]:
    """The models asked for by ``--zoo`` and ``--model``, each once."""
    found: list[str] = []
    if options.zoo is not None:
        found += entries.ENTRIES if options.zoo == "all" else names(options.zoo)
    for value in options.model or ():
        found += names(value)
    if not found:
        raise UsageError("no model was asked for; give --zoo all, --zoo NAMES or --model NAMES")
    return tuple(dict.fromkeys(found))


def names(text: str) -> tuple[str, ...]:
    """The parts of a list with commas, without empty ones."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def shown_command(argv: Sequence[str]) -> str:
    """The command as pages show it: every path is ``$DATA`` or its last part, never where it lies."""
    shown = ["bench"]
    for before, word in zip(["", *argv], argv, strict=False):
        if word == "--json":
            continue  # says how rows are printed, not what they are
        flag, equals, value = word.partition("=")
        if equals and flag.startswith("--"):
            shown.append(f"{flag}={_shown_value(flag, value)}")
        else:
            shown.append(_shown_value(before, word))
    return " ".join(word if DATA in word else shlex.quote(word) for word in shown)


def _shown_value(flag: str, value: str) -> str:
    if flag == "--data-root":
        return DATA
    if value.startswith("folder:"):
        return f"folder:{DATA}"
    paths = ("--weights", "--weights-from", "--model", "--store", "--leaderboard", "--reports")
    return ",".join(part.rpartition("/")[2] for part in value.split(",")) if flag in paths else value


def _check_numbers(options: Namespace) -> None:
    if options.workers is not None and options.workers < 1:
        raise UsageError(f"--workers is {options.workers}; it must be at least 1")
    if options.seed < 0:
        raise UsageError(f"--seed is {options.seed}; it must be 0 or more")


def check_directory(path: Path) -> None:
    """Raises ``UsageError`` unless files can be made in a directory, which is made if it is missing."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        usable = os.access(path, os.W_OK | os.X_OK)
    except OSError as fault:
        raise UsageError(f"cannot write to {path}: {fault.strerror}; give another --reports DIR") from fault
    if not usable:
        raise UsageError(f"cannot write to {path}: permission denied; give another --reports DIR")


def write_page(store: Store, dataset: str, directory: Path, failed: Sequence[str]) -> Path | None:
    """Draws a data set's page; ``None`` if nothing of it is complete."""
    from bench import report

    newest, *older = chapters(store, dataset)
    main, apart = page_results(store, newest, failed)
    others = list(apart)
    for chapter in older:
        first, rest = page_results(store, chapter)
        others += [first, *rest]
    if not main.models and not main.failed:
        return None
    return report.write(main, [results for results in others if results.models], directory)


def _measured(evaluation: Evaluation, store: Store, workers: int) -> Outcome:
    executor = executor_for(evaluation, workers)
    try:
        with cells_bar() as progress:
            return run_evaluation(evaluation, store, executor, progress)
    finally:
        executor.close()


def _show_plan(evaluation: Evaluation, store: Store, workers: int, *, as_json: bool) -> int:
    lanes = evaluation.lanes
    total = len({lane.clean.key for lane in lanes}) + sum(len(lane) - 1 for lane in lanes)
    clean = {lane.clean.key for lane in lanes if store.get(lane.clean.key)}
    stored = len(clean) + sum(max(0, len(lane_results(store, lane)) - 1) for lane in lanes)
    seconds = seconds_left(evaluation, store) / workers
    if as_json:
        plan = {"cells": total, "stored": stored, "to_run": total - stored, "seconds_at_most": seconds}
        print(json.dumps(plan))
    else:
        print(f"{total} cells, {stored} stored, {total - stored} to run, at most about {seconds:.0f} s")
    return 0
