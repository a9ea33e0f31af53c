"""Changes rows of a leaderboard by new rows, audits and corruption errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from bench.engine.protocols import released_rules
from bench.leaderboard.columns import ERRORS, Row, identity
from bench.leaderboard.marks import OF_NUMBERS, kept
from bench.leaderboard.row_verdicts import ball_of, forget

Known = dict[tuple[Any, ...], Row]  # rows by their identity
Key = tuple[str, str, int, str, str]  # weights, data, n, protocol and backend of a row
Verdicts = Mapping[tuple[str, str], str]  # by weights and data


def put(known: Known, new: Iterable[Mapping[str, Any]]) -> None:
    """Replaces rows by new ones; if numbers have changed, the verdicts of rows on each other are removed.

    A row has the day, in UTC, on which it first had these numbers. Unchanged numbers keep their time. An audit is of
    weights and images: a row without one takes it from other rows of the same.
    """
    changed, today, audits = set(), datetime.now(UTC).date().isoformat(), _audits(known)
    for row in new:
        before = known.get(identity(row), row)
        same = before["digest"] == row["digest"]
        if not same:
            changed.add(ball_of(row))
        audit = row["audit"] or audits.get(_audited(row), "")
        verdict = kept(audit, before["audit"])
        errors = {} if row["mce_baseline"] else {column: before[column] for column in ERRORS}
        timing = {"seconds": before["seconds"], "date": before["date"] or today} if same else {"date": today}
        known[identity(row)] = {**row, **errors, **timing, "audit": verdict, "stronger": before["stronger"]}
    for row in known.values():
        if ball_of(row) in changed:  # other numbers, so the comparison is made again
            forget(row)


def _audits(known: Known) -> dict[tuple[str, str] | None, str]:
    """The audits' verdicts in rows, by weights and images."""
    marked = (row for row in known.values() if row["audit"] not in ("", *OF_NUMBERS))
    return {_audited(row): row["audit"] for row in marked}


def _audited(row: Mapping[str, Any]) -> tuple[str, str] | None:
    """Weights and images of a row's audit; ``None`` under a released protocol, which is never audited."""
    return (row["weights"], row["data"]) if released_rules(row["protocol"]) is None else None


def mark(known: Known, verdicts: Verdicts, errors: Mapping[Key, Row]) -> None:
    """Writes verdicts and corruption errors into all rows that they are about."""
    for row in known.values():
        row |= errors.get((row["weights"], row["data"], row["n"], row["protocol"], row["backend"]), {})
        if released_rules(row["protocol"]) is None:
            row["audit"] = kept(verdicts.get((row["weights"], row["data"]), ""), row["audit"])
