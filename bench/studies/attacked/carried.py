"""Verdicts in a leaderboard, of audits that are not in the store: tables and pages keep them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bench.engine.store import Store, read_runs
from bench.leaderboard.columns import Row
from bench.leaderboard.marks import OF_NUMBERS, kept, level_of, marked, verdict_of
from bench.studies.audit.section import Mark

KIND = "verdicts"
Verdicts = Mapping[tuple[str, str], str]


def carry(store: Store, rows: Iterable[Row], known: Verdicts) -> None:
    """Records in a store the verdicts of rows, by (weights, data), that its audits do not give or do not outweigh."""
    before, found = carried(store), {}
    for row in rows:
        place, mark = (row["weights"], row["data"]), row["audit"]
        own = known.get(place, "")
        if mark and mark not in OF_NUMBERS and own != mark == kept(own, mark) and before.get(place) != mark:
            found[place] = mark
    if found:
        store.put_run({"kind": KIND, "marks": [[*place, mark] for place, mark in found.items()]})


def carried(store: Store) -> dict[tuple[str, str], str]:
    """The recorded verdicts, the newest of each (weights, data)."""
    noted: dict[tuple[str, str], str] = {}
    for marks in read_runs(store, KIND, _marks):
        noted |= marks
    return noted


def _marks(run: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    return {(weights, data): str(mark) for weights, data, mark in run["marks"]}


def all_verdicts(noted: Verdicts, audits: Verdicts) -> dict[tuple[str, str], str]:
    """The verdicts that count, of recorded ones and of a store's own audits."""
    return {**noted, **{place: kept(mark, noted.get(place, "")) for place, mark in audits.items()}}


def page_marks(noted: Verdicts, audits: Mapping[tuple[str, str], Mark]) -> dict[tuple[str, str], Mark]:
    """The marks beside names on a page that count, of recorded verdicts and of a store's own audits."""
    own = {place: marked(mark.verdict, mark.level) for place, mark in audits.items()}
    counts = all_verdicts(noted, own)
    return {
        place: audits[place] if own.get(place) == mark else _noted(mark) for place, mark in counts.items()
    }


def _noted(mark: str) -> Mark:
    reason = "it was made with another store, so its checks are not on this page"
    return Mark(verdict_of(mark), level_of(mark), f"{level_of(mark)} audit from the leaderboard: {reason}")
