"""What new rows, audits and corruption errors change in the rows of a leaderboard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bench.engine.protocols import released_rules
from bench.leaderboard.columns import Row, identity
from bench.leaderboard.row_verdicts import ball_of, forget, kept

Known = dict[tuple[Any, ...], Row]  # rows by their identity
Key = tuple[str, str, int, str, str]  # weights, data, n, protocol and backend of a row
Verdicts = Mapping[tuple[str, str], str]  # by weights and data
ERRORS = ("mce", "relative_mce", "mce_baseline")


def put(known: Known, new: Iterable[Mapping[str, Any]]) -> None:
    """Replaces rows by new ones; where numbers have changed, what rows said of each other is forgotten."""
    changed = set()
    for row in new:
        # the verdict is of weights and images: measuring them again without an audit leaves it
        before = known.get(identity(row), row)
        if before["digest"] != row["digest"]:
            changed.add(ball_of(row))
        verdict = kept(row["audit"], before["audit"])
        errors = {} if row["mce_baseline"] else {column: before[column] for column in ERRORS}
        known[identity(row)] = {**row, **errors, "audit": verdict, "stronger": before["stronger"]}
    for row in known.values():
        if ball_of(row) in changed:  # other numbers, compared anew
            forget(row)


def mark(known: Known, verdicts: Verdicts, errors: Mapping[Key, Row]) -> None:
    """Writes verdicts and corruption errors into all rows that they are of."""
    for row in known.values():
        row |= errors.get((row["weights"], row["data"], row["n"], row["protocol"], row["backend"]), {})
        if released_rules(row["protocol"]) is None:
            row["audit"] = kept(verdicts.get((row["weights"], row["data"]), ""), row["audit"])
