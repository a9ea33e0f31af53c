"""The output of ``bench reproduce``: the progress of each section, and the claims."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.numbers.wording import points_text
from bench.studies.paper import (
    COLUMNS,
    SECTIONS,
    ClaimOutcome,
    JudgedClaim,
    PaperRow,
    Reproduction,
    Side,
    judge,
    needed,
    rows,
)
from bench.studies.paper.compare import as_released
from bench.studies.paper.published import MEAN
from bench.studies.paper.sections import DATASETS, attack_of, statements_of
from bench.studies.shared.screen import percent

CAPTION = (
    "Numbers of the paper for which we have one of our own. Our networks are others, and trained "
    "differently: a difference is not "
    "an error of either side."
)


def numbers_table(reproduction: Reproduction) -> None:
    """Prints the numbers of the sections asked for that were measured, beside the paper's."""
    for section in reproduction.sections:
        measured = [row for row in _rows(reproduction, section) if any(row.sides)]
        chosen = [row for row in measured if row.published.corruption in ("", MEAN)]
        if not chosen:
            continue
        table = Table(
            title=f"{SECTIONS[section].title}: accuracy in %, ours on {escape(reproduction.dataset)}",
            caption="95 % intervals in brackets, less published in parentheses. ε is nominal: see the page. "
            "* Under another model's script: none was published for this one.",
        )
        for column in ("model", "attack", "ε", "published", *COLUMNS):
            table.add_column(column, justify="left" if column in ("model", "attack") else "right")
        for row in chosen:
            of = row.published
            numbers = (f"{of.eps:g}", f"{100 * of.accuracy:.1f}", *map(_shown, row.sides))
            table.add_row(row.name, attack_of(of), *numbers)
        _print(table)


def sections_table(reproduction: Reproduction) -> None:
    """Prints for each section and data set of the paper how many of its numbers were measured."""
    table = Table(title=f"{escape(reproduction.dataset)}: the paper beside ours", caption=CAPTION)
    for column in ("section", "data", "numbers", *COLUMNS, "not measured here"):
        table.add_column(column, justify="left" if column in ("section", "data") else "right")
    for section in reproduction.sections or SECTIONS:
        for dataset, counts in _counts(reproduction, section).items():
            table.add_row(SECTIONS[section].title, DATASETS[dataset], *map(str, counts))
        made = [row for row in rows(reproduction, section) if _made_here(reproduction, row)]
        beside = [str(sum(row.sides[i] is not None for row in made)) for i in range(len(COLUMNS))]
        if made:
            table.add_row(SECTIONS[section].title, escape(reproduction.corrupted_called), "–", *beside, "–")
    _print(table)


def _made_here(reproduction: Reproduction, row: PaperRow) -> bool:
    """Whether ours in a row are of corruptions made here, and not of CIFAR-10-C."""
    return row.published.dataset == "cifar10c" and reproduction.made_here


def _rows(reproduction: Reproduction, section: str) -> tuple[PaperRow, ...]:
    """Printed numbers beside ours, then beside those of models trained as the released scripts train."""
    return (*rows(reproduction, section), *as_released(reproduction, section))


def _counts(reproduction: Reproduction, section: str) -> dict[str, tuple[int, ...]]:
    """By data set: numbers printed, of these measured in either column, and in none.

    What stands beside CIFAR-10-C but is of corruptions made here is not measured.
    """
    if not needed(section).attacks:
        measured = {model.info.name for model in (reproduction.mip.models if reproduction.mip else ())}
        found = [(each.dataset, (False, each.model in measured)) for each in statements_of(section)]
    else:
        found = [
            (
                row.published.dataset,
                tuple(side is not None and not _made_here(reproduction, row) for side in row.sides),
            )
            for row in rows(reproduction, section)
        ]
    counts = {}
    for dataset in dict.fromkeys(dataset for dataset, _ in found):
        sides = [each for of, each in found if of == dataset]
        columns = (sum(each[i] for each in sides) for i in range(len(COLUMNS)))
        counts[dataset] = (len(sides), *columns, sum(not any(each) for each in sides))
    return counts


def claims_table(reproduction: Reproduction) -> None:
    """Prints the claims of the requested sections, and the verdict on each."""
    table = Table(title="Claims", caption="The page has the tests and the reasons.")
    for column in ("claim", "where", *COLUMNS):
        table.add_column(column, overflow="fold")
    for judged in judge(reproduction):
        if not reproduction.sections or set(reproduction.sections) & set(judged.claim.sections):
            verdicts = [_verdict(judged.outcomes[column]) for column in COLUMNS]
            table.add_row(escape(judged.claim.id), escape(judged.claim.where), *verdicts)
    if table.row_count:
        _print(table)


def _verdict(outcome: ClaimOutcome) -> str:
    """The verdict, with that on the data set at hand where it is another."""
    of = outcome.alone
    return outcome.verdict + (f"; {of.dataset}: {of.verdict}" if of and of.verdict != outcome.verdict else "")


def _shown(side: Side | None) -> str:
    if side is None:
        return "–"
    text = percent(side.share) + ("*" if side.borrowed else "")
    return text if side.difference is None else f"{text} ({points_text(side.difference[0])})"


def as_json(reproduction: Reproduction) -> list[dict[str, Any]]:
    """All numbers of the paper with ours, then its claims; what was not measured is null."""
    numbers = [_number(row, section) for section in SECTIONS for row in _rows(reproduction, section)]
    return [*numbers, *(_claim(judged) for judged in judge(reproduction))]


def _number(row: PaperRow, section: str) -> dict[str, Any]:
    sides = {column: _side(side) for column, side in zip(COLUMNS, row.sides, strict=True)}
    published = asdict(row.published) | {"name": row.name}
    return {"kind": "number", "section": section, **published, **sides, "command": row.command}


def _side(side: Side | None) -> dict[str, Any] | None:
    if side is None:
        return None
    value, lo, hi = side.difference or (None, None, None)
    return {
        "accuracy": side.share.value,
        "lo": side.share.lo,
        "hi": side.share.hi,
        "n": side.share.n,
        "difference": value,
        "difference_lo": lo,
        "difference_hi": hi,
        "dataset": side.dataset,
        "protocol": side.protocol,
        "script": side.borrowed,
        "digest": side.digest,
    }


def _claim(judged: JudgedClaim) -> dict[str, Any]:
    claim = judged.claim
    outcomes = {column: _outcome(judged.outcomes[column]) for column in COLUMNS}
    about = {"id": claim.id, "where": claim.where, "quote": claim.quote, "reading": claim.reading}
    return {"kind": "claim", **about, "published": judged.published, **outcomes}


def _outcome(outcome: ClaimOutcome) -> dict[str, Any]:
    said = {name: getattr(outcome, name) for name in ("verdict", "sentence", "why", "command")}
    return said | {"alone": outcome.alone and asdict(outcome.alone)}


def _print(table: Table) -> None:
    Console(width=None if sys.stdout.isatty() else 120).print(table)
