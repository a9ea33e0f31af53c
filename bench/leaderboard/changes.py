"""What new rows, audits and corruption errors change in the rows of a leaderboard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from bench.engine.protocols import released_rules
from bench.leaderboard.columns import ERRORS, Row, identity
from bench.leaderboard.row_verdicts import ROWS, ball_of, forget, kept

Known = dict[tuple[Any, ...], Row]  # rows by their identity
Key = tuple[str, str, int, str, str]  # weights, data, n, protocol and backend of a row
Verdicts = Mapping[tuple[str, str], str]  # by weights and data


def put(known: Known, new: Iterable[Mapping[str, Any]]) -> None:
    """Replaces rows by new ones; where numbers have changed, what rows said of each other is forgotten.

    A row is dated by the day, in UTC, on which it came with these numbers. The same numbers keep the time they took.
    An audit is of weights and images: a row without one has that which other rows of them have.
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
        if ball_of(row) in changed:  # other numbers, compared anew
            forget(row)


def _audits(known: Known) -> dict[tuple[str, str] | None, str]:
    """The audits' verdicts that rows have, by what they are of."""
    marked = (row for row in known.values() if row["audit"] not in ("", ROWS))
    return {_audited(row): row["audit"] for row in marked}


def _audited(row: Mapping[str, Any]) -> tuple[str, str] | None:
    """Weights and images that an audit of a row is of; ``None`` under a released protocol, which none is of."""
    return (row["weights"], row["data"]) if released_rules(row["protocol"]) is None else None


def mark(known: Known, verdicts: Verdicts, errors: Mapping[Key, Row]) -> None:
    """Writes verdicts and corruption errors into all rows that they are of."""
    for row in known.values():
        row |= errors.get((row["weights"], row["data"], row["n"], row["protocol"], row["backend"]), {})
        if released_rules(row["protocol"]) is None:
            row["audit"] = kept(verdicts.get((row["weights"], row["data"]), ""), row["audit"])
