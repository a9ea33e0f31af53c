"""Writes ``leaderboard.csv`` and the tables behind it; rows of the same measurement are merged.

Full rows are the source (``bench.leaderboard.layout``); the boards for people are always made from them. No file is
ever left half written, and a reader sees whole tables that belong together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from bench.errors import UsageError
from bench.leaderboard import changes, disk
from bench.leaderboard.boards import BOARDS, shortened
from bench.leaderboard.changes import Key, Known, Verdicts
from bench.leaderboard.columns import SCHEMA, Row, identity
from bench.leaderboard.layout import Places, results_header, runs_header, split
from bench.leaderboard.lines import cell, csv_text
from bench.leaderboard.reading import full_rows, read, run_lines
from bench.leaderboard.row_verdicts import Outcomes, remark

__all__ = ["check_writable", "mark", "merge", "read"]


def merge(
    path: Path,
    new: Iterable[Mapping[str, Any]],
    outcomes: Outcomes | None = None,
    verdicts: Verdicts | None = None,
    errors: Mapping[Key, Row] | None = None,
) -> list[Row]:
    """Puts rows into a leaderboard: a row of the same identity is replaced.

    An audit's verdict and corruption errors stay, unless the new row has others.

    The verdicts of rows on each other are written too (see ``bench.leaderboard.row_verdicts``). Rows are sorted by
    identity. Files are replaced as a whole, under a lock beside the leaderboard, so that all processes that use it see
    the lock. A reader sees an old file or a new one. A file without changes is not written. An older leaderboard, which
    has full rows, is split.

    Args:
        path: the leaderboard; made if it does not exist. Its directory must exist.
        new: rows as ``rows`` makes them.
        outcomes: of rows whose images are known one by one, as ``bench.studies.robustness.rows.outcomes`` gives them.
        verdicts, errors: for all rows of the file, as in ``mark``.

    Returns:
        The new rows as they are in the file.

    Raises:
        UsageError: the existing file is not a leaderboard that this version reads (it is not changed), or it cannot be
            written.
    """
    new = list(new)

    def change(known: Known) -> None:
        changes.put(known, new)
        changes.mark(known, verdicts or {}, errors or {})
        remark(known.values(), outcomes)

    written = _change(path, change)
    return [written[identity(row)] for row in new]


def mark(
    path: Path,
    verdicts: Verdicts,
    outcomes: Outcomes | None = None,
    errors: Mapping[Key, Row] | None = None,
) -> None:
    """Writes audits' verdicts and corruption errors into the rows of an existing leaderboard.

    Args:
        path: the leaderboard.
        verdicts: verdict with its level by (weights, data); rows of other weights or data, or of a released protocol
            (never audited), keep theirs; so do rows that other rows of the file contradict.
        outcomes: as in ``merge``.
        errors: columns of corruption errors, as ``bench.studies.robustness.corruption_errors.errors_of`` gives them.

    Raises:
        UsageError: as ``merge``.
    """
    if path.exists() or Places(path).results.exists():
        merge(path, (), outcomes, verdicts, errors)


def _change(path: Path, change: Callable[[Known], None]) -> Known:
    """Reads the rows by their identity, changes and writes them, all under the lock."""
    places = Places(disk.target(path))
    path = places.leaderboard
    try:
        disk.check_place(path)  # if nothing can be written, waiting for a lock would never end
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=60):
            known = {identity(row): row for row in full_rows(places)}
            change(known)
            _write(places, [known[key] for key in sorted(known, key=_order)])
            return known
    except Timeout:
        raise UsageError(f"{path} has been locked by another process for a minute; try again later") from None
    except (OSError, UnicodeEncodeError) as error:
        raise disk.unwritable(path, error) from None


def _order(key: tuple[Any, ...]) -> tuple[tuple[bool, Any], ...]:
    return tuple((value is not None, value) for value in key)


def check_writable(path: Path) -> None:
    """Checks before measuring that ``merge`` can lock and write there; leaves no files.

    Raises:
        UsageError: as ``merge`` would.
    """
    places = Places(disk.target(path))
    try:
        full_rows(places)
        disk.check_place(places.leaderboard)
        for file in (places.leaderboard, places.results, places.runs):
            disk.check_file(file)
    except OSError as error:
        raise disk.unwritable(path, error) from None


def _write(places: Places, rows: list[Row]) -> None:
    """Writes all files: runs before the results that name them, and boards last.

    A process that is stopped in between leaves results with all their runs, and a leaderboard that the next ``merge``
    writes again.
    """
    results, runs = split(rows)
    places.results.parent.mkdir(exist_ok=True)
    _write_runs(places, {**run_lines(places.runs), **runs})
    disk.write(places.results, csv_text(results_header(SCHEMA), results))
    boards = shortened(rows)
    for board in BOARDS:
        found = [[cell(row[column]) for column in board.header] for row in boards[board.name]]
        if found or not board.name:
            disk.write(places.board(board.name), csv_text(board.header, found))
    _write_runs(places, runs)


def _write_runs(places: Places, runs: Mapping[str, list[str]]) -> None:
    ordered = sorted(runs.values(), key=lambda line: (line[1:], line[0]))
    disk.write(places.runs, csv_text(runs_header(SCHEMA), ordered))
