"""Writes rows into a leaderboard, with the worst case over all stored attacks in a ball, and verdicts beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.engine.store import Store
from bench.leaderboard import file as leaderboard
from bench.leaderboard.changes import Key
from bench.leaderboard.columns import Row
from bench.studies.robustness.balls import joined
from bench.studies.robustness.history import runs_beside
from bench.studies.robustness.results import Results
from bench.studies.robustness.rows import outcomes, rows

WORST_OF = ("store", "run")


def write_rows(
    table: Path,
    store: Store,
    found: Sequence[Results],
    marks: Mapping[tuple[str, str], str],
    worst_of: str = WORST_OF[0],
    errors: Mapping[Key, Row] | None = None,
) -> tuple[list[Results], list[Row]]:
    """Puts the rows of a run into a leaderboard and marks all rows of it.

    Args:
        table: the leaderboard.
        store: of other runs.
        found: the measured results.
        marks: the audits' verdicts by (weights, data).
        worst_of: ``store``: worst cases take the attacks of all runs in the store; ``run``: of this run alone.
        errors: corruption errors, for all rows of the file.

    Returns:
        The results, with the requested worst cases, and the rows as in the file.

    Raises:
        UsageError: as ``bench.leaderboard.file.merge``.
    """
    pool = [*found, *runs_beside(store, found)]
    shown = [joined(results, pool) for results in found] if worst_of == "store" else list(found)
    known = {key: value for results in (*pool, *shown) for key, value in outcomes(results).items()}
    fresh = [row for results in shown for row in rows(results, marks)]
    return shown, leaderboard.merge(table, fresh, known, marks, errors)
