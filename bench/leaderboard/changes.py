"""What new rows, audits and corruption errors change in the rows of a leaderboard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from bench.engine.protocols import released_rules
from bench.leaderboard.columns import ERRORS, Row, identity
from bench.leaderboard.row_verdicts import ball_of, forget, kept

Known = dict[tuple[Any, ...], Row]  # rows by their identity
Key = tuple[str, str, int, str, str]  # weights, data, n, protocol and backend of a row
Verdicts = Mapping[tuple[str, str], str]  # by weights and data


def put(known: Known, new: Iterable[Mapping[str, Any]]) -> None:
    """Replaces rows by new ones; where numbers have changed, what rows said of each other is forgotten.

    A row is dated by the day, in UTC, on which it came with these numbers.
    """
    changed, today = set(), datetime.now(UTC).date().isoformat()
    for row in new:
        # the verdict is of weights and images: measuring them again without an audit leaves it
        before = known.get(identity(row), row)
        same = before["digest"] == row["digest"]
        if not same:
            changed.add(ball_of(row))
        verdict = kept(row["audit"], before["audit"])
        errors = {} if row["mce_baseline"] else {column: before[column] for column in ERRORS}
        date = (before["date"] if same else "") or today
        known[identity(row)] = {
            **row, **errors, "audit": verdict, "stronger": before["stronger"], "date": date
        }  # fmt: skip
    for row in known.values():
        if ball_of(row) in changed:  # other numbers, compared anew
            forget(row)


def mark(known: Known, verdicts: Verdicts, errors: Mapping[Key, Row]) -> None:
    """Writes verdicts and corruption errors into all rows that they are of."""
    for row in known.values():
        row |= errors.get((row["weights"], row["data"], row["n"], row["protocol"], row["backend"]), {})
        if released_rules(row["protocol"]) is None:
            row["audit"] = kept(verdicts.get((row["weights"], row["data"]), ""), row["audit"])
