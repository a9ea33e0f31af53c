"""What the terminal shows: progress on stderr, the ranked table on stdout."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from bench.clever.results import CleverResults
from bench.clever_rows import clever_rows
from bench.protocols import released_rules
from bench.ranking import attack_label, standings
from bench.report.format import eps_texts
from bench.results import Results
from bench.stats import Share
from bench.theory import TheoryResults


def say(text: str) -> None:
    """One line on stderr."""
    print(text, file=sys.stderr)


@contextlib.contextmanager
def cells_bar(of: str = "cells") -> Iterator[Callable[[int, int], None]]:
    """A progress bar with the time left, on stderr; silent where stderr is no terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("measuring"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(f"{of},"),
        TimeElapsedColumn(),
        TextColumn("gone,"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(of, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def ranked_table(results: Results) -> None:
    """Prints the models best first: clean accuracy, worst case over the attacks at each ε, and the mean."""
    setting = results.setting
    caption = "95 % intervals in brackets; rank = 1 + number of models significantly better. "
    if released_rules(setting.protocol):
        caption += f"Protocol {setting.protocol}: ε in its own units, no robust accuracies."
    else:
        caption += "Attacks give upper bounds on robust accuracy."
    table = Table(
        title=f"{escape(setting.dataset)}: accuracy in % under {escape(attack_label(results))} "
        f"({setting.norm}, {setting.curve}), n = {setting.n}",
        caption=caption,
    )
    table.add_column("rank", justify="right")
    table.add_column("model", overflow="fold")
    table.add_column("clean", justify="right")
    for eps in eps_texts(setting.eps):
        table.add_column(f"ε {eps}", justify="right")
    table.add_column("mean", justify="right")
    for standing in standings(results):
        table.add_row(
            "–" if standing.rank is None else str(standing.rank),
            escape(standing.name),
            percent(standing.clean),
            *(percent(share) for share in standing.worst),
            percent(standing.mean_worst),
        )
    width = None if sys.stdout.isatty() else 60 + 18 * (2 + len(setting.eps))
    Console(width=width).print(table)


def clever_table(results: CleverResults) -> None:
    """Prints the models, the largest median score first."""
    setting, options = results.setting, results.setting.options
    table = Table(
        title=f"{escape(setting.dataset)}: CLEVER ({options.engine}, {options.norm}, radius {options.radius:g}), "
        f"n = {setting.n}",
        caption="Median with 95 % bootstrap interval. CLEVER estimates a lower bound on the smallest "
        "perturbation that changes the decision; it certifies nothing.",
    )
    for column in (
        "model",
        "median",
        "mean",
        "attack",
        "above attack",
        "censored",
        "fallback",
        "wrong",
        "flags",
    ):
        table.add_column(column, justify="left" if column in ("model", "flags") else "right", overflow="fold")
    for row, model in sorted(
        zip(clever_rows(results), results.models, strict=True), key=lambda pair: -pair[0]["clever_median"]
    ):
        distance = row["attack_median"]
        table.add_row(
            escape(row["model"]),
            f"{row['clever_median']:.4f} [{row['clever_lo']:.4f}, {row['clever_hi']:.4f}]",
            f"{row['clever_mean']:.4f}",
            "–" if distance is None else f"{distance:.4f}",
            *(f"{100 * row[f'clever_{name}']:.0f} %" for name in ("above_attack", "censored", "fallback")),
            str(setting.n - row["clean_right"]),
            ", ".join(name.replace("_", " ") for name in model.raised()),
        )
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def claims_table(results: TheoryResults) -> None:
    """Prints each claim, what was measured, and whether it holds here."""
    table = Table(title=f"{escape(results.dataset)}: the paper's theory, n = {results.n}", show_lines=True)
    for column in ("claim", "where", "measured", "here"):
        table.add_column(column, overflow="fold")
    for claim in results.claims:
        table.add_row(*map(escape, (claim.statement, claim.where, claim.measured, claim.verdict)))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def percent(share: Share) -> str:
    """A share as ``97.2 [95.0, 98.5]``, in percent."""
    return f"{100 * share.value:.1f} [{100 * share.lo:.1f}, {100 * share.hi:.1f}]"
