"""The ranked table of models under attacks."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.engine.protocols import released_rules
from bench.leaderboard.marks import BELIEVABLE, NOT_BELIEVABLE, UPPER_BOUND, level_of, verdict_of
from bench.leaderboard.row_verdicts import ROWS, kept
from bench.numbers.eps import eps_texts
from bench.studies.attacked.spatial import SpatialTable, spatial_table
from bench.studies.robustness.names import attack_names
from bench.studies.robustness.ranking import Standing, standings
from bench.studies.robustness.results import Results, Setting
from bench.studies.shared.screen import percent


def ranked_table(results: Results, verdicts: Mapping[tuple[str, str], str] | None = None) -> None:
    """Prints the models best first: clean accuracy, worst case over the attacks at each ε, and the mean.

    Spatial attacks follow in a table of their own, for no ball contains them.

    Args:
        results: what was measured.
        verdicts: the audit's verdicts with their level by (weights, data), for marks beside the names.
    """
    lines, setting = standings(results), results.setting
    if released_rules(setting.protocol) is not None:
        verdicts = None  # no audit is of a released protocol
    if attack_names(results):
        table = Table(
            title=f"{escape(setting.dataset)}: accuracy in % under {escape(_ranked_under(results))} "
            f"({setting.norm}, {setting.curve}), n = {setting.n}",
            caption="95 % intervals in brackets; ranks from 1 + number of models significantly better to number of "
            "models less those significantly worse: ranges that do not meet differ significantly."
            + _about_numbers(setting)
            + _about_marks(lines, setting, verdicts),
        )
        table.add_column("rank", justify="right")
        table.add_column("model", overflow="fold")
        for column in ("clean", *(f"ε {eps}" for eps in eps_texts(setting.eps)), "mean"):
            table.add_column(column, justify="right")
        for line in lines:
            shares = (line.clean, *line.worst, line.mean_worst) if line.result.curves else (line.clean,)
            table.add_row(
                line.ranks,
                _marked(line, setting, verdicts),
                *map(percent, shares),
            )
        width = None if sys.stdout.isatty() else 60 + 18 * (2 + len(setting.eps))
        Console(width=width).print(table)
    if spatial := spatial_table(results, lines):
        _print_spatial(setting, spatial)


def _ranked_under(results: Results) -> str:
    """Names of the attacks of the ranked group."""
    names = attack_names(results)
    ranked = next(line for line in standings(results) if line.rank is not None)
    return ", ".join(names[curve.request] for curve in ranked.result.curves)


def _mark(line: Standing, setting: Setting, verdicts: Mapping[tuple[str, str], str] | None) -> str:
    """The audit's mark, or that another run got further; empty where there is none."""
    if verdicts is None:
        return ""
    mark = verdicts.get((line.result.info.weights, setting.data), "")
    return kept(mark, ROWS) if line.beaten else mark


def _marked(line: Standing, setting: Setting, verdicts: Mapping[tuple[str, str], str] | None) -> str:
    """A model's name with its verdict and what that rests on."""
    mark = _mark(line, setting, verdicts)
    signs = {NOT_BELIEVABLE: "[red]✗ not believable", UPPER_BOUND: "[yellow]≤", BELIEVABLE: "[green]✓"}
    sign = signs.get(verdict_of(mark))
    return f"{escape(line.name)} {sign} ({level_of(mark)})[/]" if sign else escape(line.name)


def _about_numbers(setting: Setting) -> str:
    if released_rules(setting.protocol) is not None:
        return f" Protocol {setting.protocol}: ε in its own units, no robust accuracies."
    return " Attacks give upper bounds on robust accuracy."


def _about_marks(
    lines: Sequence[Standing], setting: Setting, verdicts: Mapping[tuple[str, str], str] | None
) -> str:
    """What the marks in the table mean; nothing where no verdicts are requested."""
    if verdicts is None:
        return ""
    found = {_mark(line, setting, verdicts) for line in lines}
    if found == {""}:
        return " Not audited: see bench audit."
    audits = {verdict_of(mark) for mark in found - {ROWS}}
    texts = (
        (NOT_BELIEVABLE in audits, " ✗: an audit found that these numbers say nothing about robustness."),
        (UPPER_BOUND in audits, " ≤: an audit found that a stronger attack gets further."),
        (ROWS in found, " ≤ (rows): an attack of another run got significantly further and counts here."),
        (BELIEVABLE in audits, " ✓: the audit in brackets found nothing that speaks against the numbers."),
    )
    return "".join(text for holds, text in texts if holds)


def _print_spatial(setting: Setting, spatial: SpatialTable) -> None:
    table = Table(
        title=f"{escape(setting.dataset)}: accuracy in % under rotations and translations, n = {setting.n}",
        caption="; ".join(f"{name}: {tried}" for name, _, tried in spatial.attacks),
        min_width=80,
    )
    table.add_column("model", overflow="fold")
    for column in ("clean", *(name for name, _, _ in spatial.attacks)):
        table.add_column(column, justify="right")
    for name, clean, shares in spatial.rows:
        table.add_row(escape(name), percent(clean), *("–" if s is None else percent(s) for s in shares))
    Console(width=None if sys.stdout.isatty() else 120).print(table)
