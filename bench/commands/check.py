"""``bench check``: has a model become less robust than a leaderboard says? For CI."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.commands.running import executing, rows_only
from bench.commands.screen import cells_bar
from bench.engine.store import DirectoryStore
from bench.engine.where import Where
from bench.errors import UsageError
from bench.inputs.model_info import ModelInfo
from bench.leaderboard import file as leaderboard
from bench.leaderboard.columns import Row
from bench.numbers.eps import eps_texts
from bench.numbers.paired import Difference
from bench.pages.format import params_text
from bench.studies.robustness.evaluation import Evaluation, run_evaluation
from bench.studies.robustness.regression import (
    Checked,
    changed_since,
    check,
    grouped,
    one_generation,
    reference_rows,
    rows_on,
)
from bench.studies.shared.models import open_models
from bench.studies.shared.options import check_numbers, model_ask
from bench.studies.shared.screen import say
from bench.studies.shared.where import where_of

SHOWN = ("fell", "failed")


def execute(options: Namespace) -> int:
    """Measures the rows of a file again; 1 if an accuracy fell or cells failed."""
    check_numbers(options)
    where = where_of(options)
    if not 0 <= options.tolerance < 1:
        raise UsageError(f"--tolerance is {options.tolerance:g}; it is a share of the images, in [0, 1)")
    if not Path(options.against).is_file():
        raise UsageError(f"there is no leaderboard at {options.against}; give another --against FILE")
    table = leaderboard.read(Path(options.against))
    checked, failures, notes = _checked(options, table, where)
    for note in notes:
        say(f"note: {note}")
    if options.json:
        print(json.dumps([_row(each) for each in checked], allow_nan=False))
    else:
        _print([each for each in checked if each.status in SHOWN], options)
    count = Counter(each.status for each in checked)
    summary = ", ".join(f"{count[s]} {s}" for s in ("fell", "failed", "kept", "rose") if count[s])
    say(f"{len(checked)} accuracies checked against {options.against}: {summary}")
    for failure in failures:
        say(f"bench: failed: {failure}")
    return 1 if count["fell"] or count["failed"] or failures else 0


def _checked(
    options: Namespace, table: Sequence[Row], where: Where
) -> tuple[list[Checked], list[str], list[str]]:
    """The result of every row, the failed cells, and the changes since the file was written."""
    ask = model_ask(options)
    with rows_only():
        data = ask.data.load(download=ask.download)
        there = rows_on(table, data, Path(options.against).name)
        models, loaded = open_models(ask, data, len(data))
    store = DirectoryStore(Path(options.store))
    reference: dict[ModelInfo, list[Row]] = {}
    notes = []
    for _, info in models:
        found = reference_rows(there, info.name)
        reference[info], said = one_generation(found, store, options.generation)
        notes += [said] if said else []
    plans = {info: grouped(rows, data, ask.device) for info, rows in reference.items()}
    checked: list[Checked] = []
    failures: list[str] = []
    with executing(loaded, where) as executor, cells_bar() as progress:
        for source, info in models:
            measured = []
            for group in plans[info]:
                evaluation = Evaluation(
                    setting=group.setting,
                    models=((source, info),),
                    requests=group.requests,
                    data=data,
                    source=ask.data,
                    device=ask.device,
                    command=ask.command,
                    loaded=loaded,
                )
                outcome = run_evaluation(evaluation, store, executor, progress)
                failures += map(str, outcome.failures)
                measured.append((group, outcome.results))
            checked += check(measured, info, store, options.tolerance)
    notes += changed_since([row for rows in reference.values() for row in rows], ask.device)
    return checked, failures, notes


def _row(each: Checked) -> dict[str, Any]:
    row, difference = each.row, each.difference
    return {
        "status": each.status,
        "model": row["model"],
        "weights_then": row["weights"],
        "dataset": row["dataset"],
        "data": row["data"],
        "n": row["n"],
        "attack": _attack(each),
        "library_then": row["library"] if each.attack else None,
        "norm": row["norm"] if each.attack else None,
        "eps": row["eps"] if each.attack else None,
        "then": each.old,
        "now": each.new,
        "difference": difference and difference.value,
        "difference_lo": difference and difference.lo,
        "difference_hi": difference and difference.hi,
        "interval": difference and _interval(difference),
    }


def _attack(each: Checked) -> str:
    return each.attack.label if each.attack else "none"


def _interval(difference: Difference) -> str:
    return "independent" if difference.n is None else "paired"


def _print(found: Sequence[Checked], options: Namespace) -> None:
    """The rows that fell, and those that could not be measured."""
    if not found:
        return
    table = Table(
        title=f"accuracy in % below {escape(options.against)}, tolerance {100 * options.tolerance:g} points",
        caption="95 % interval of the difference of each row by itself: paired where the store has the old "
        "outcome of each image (Tango), otherwise as if the images were different (Newcombe).",
    )
    for column in ("model", "attack", "parameters"):
        table.add_column(column, overflow="fold")
    for column in ("ε", "then", "now", "difference, points", "interval"):
        table.add_column(column, justify="right")
    for each in found:
        table.add_row(
            escape(f"{each.row['model']} ({each.row['weights'][:8]})"),
            escape(_attack(each)) if each.attack else "clean",
            escape(params_text(each.attack)) if each.attack else "",
            eps_texts([each.row["eps"]])[0] if each.attack else "",
            f"{100 * each.old:.1f}",
            "failed" if each.new is None else f"{100 * each.new:.1f}",
            *_difference(each.difference),
        )
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _difference(difference: Difference | None) -> tuple[str, str]:
    if difference is None:
        return "", ""
    text = f"{100 * difference.value:+.1f} [{100 * difference.lo:+.1f}, {100 * difference.hi:+.1f}]"
    return text, _interval(difference)
