"""Reads rows of results with their runs, of a leaderboard with the files beside it, and of older leaderboards."""

from __future__ import annotations

from pathlib import Path

from bench.errors import UsageError
from bench.leaderboard.boards import BALLS
from bench.leaderboard.columns import SCHEMA, Row, columns_of
from bench.leaderboard.layout import Places, results_header, row_id, runs_beside, runs_header
from bench.leaderboard.lines import REMEDY, check_schema, numbered, raw, text_at, typed

_SPLIT = 7  # the first schema of results and runs
WIDE = {columns_of(schema) for schema in range(1, SCHEMA + 1)}  # headers of leaderboards that hold full rows
RESULTS, RUNS = (
    {header(schema) for schema in range(_SPLIT, SCHEMA + 1)} for header in (results_header, runs_header)
)
Raw = dict[str, str]  # a record as its texts
_TRIES = 3  # attempts of a reader while another process writes


def read(path: Path) -> list[Row]:
    """The full rows of a leaderboard, or of a table of results; columns that an older schema lacks are ``None`` or ''.

    A leaderboard for people has its full rows beside it, in ``reports/``; an older one has them itself. An empty file
    is a leaderboard without rows.

    Raises:
        UsageError: the file cannot be read, is not a leaderboard, is damaged, or is of a newer schema; or the files
            beside it are missing or not its own. The message names file, line and remedy.
    """
    text = text_at(path)
    header = _header(path, text)
    if header in RESULTS:
        return _results(path)
    if not _is_board(header):
        return _wide(path, text)
    return _behind(path, text)


def full_rows(places: Places) -> list[Row]:
    """All rows in the files of a leaderboard, older ones first; none if there are no files.

    Raises:
        UsageError: as ``read``; also for a leaderboard that is a table of results itself.
    """
    found: list[Row] = []
    if places.leaderboard.exists():
        text = text_at(places.leaderboard)
        header = _header(places.leaderboard, text)
        if header in RESULTS:
            raise UsageError(
                f"{places.leaderboard} is the table of full rows beside a leaderboard, not a leaderboard; give "
                "--leaderboard FILE of the leaderboard itself"
            )
        if _is_board(header):
            return _behind(places.leaderboard, text)
        found = _wide(places.leaderboard, text)
    return [*found, *(_results(places.results) if places.results.exists() else ())]


def run_lines(path: Path) -> dict[str, list[str]]:
    """The lines of a table of runs by id, in the newest columns; none where there is no file."""
    runs = _runs(path) if path.exists() else {}
    return {run: [record.get(column, "") for column in runs_header(SCHEMA)] for run, record in runs.items()}


def _header(path: Path, text: str) -> tuple[str, ...]:
    """The columns, if they can be those of a leaderboard; empty for an empty file."""
    if not text:
        return ()
    try:
        _, fields = next(numbered(text), (1, []))
    except ValueError as error:
        raise _damaged(path, 1, error) from None
    header = tuple(fields)
    if header in RESULTS or _is_board(header) or {"model", "schema", "symbench"} <= set(header):
        return header
    raise UsageError(f"{path} is not a leaderboard: line 1 is not the header of one; {REMEDY}")


def _is_board(header: tuple[str, ...]) -> bool:
    return {"rank", "model", BALLS.score, "id"} <= set(header) and "schema" not in header


def _wide(path: Path, text: str) -> list[Row]:
    """The rows of a leaderboard with all columns, as up to schema 5."""
    return _rows(path, _records(path, text, WIDE))


def _behind(path: Path, text: str) -> list[Row]:
    """The full rows beside a leaderboard for people; they must include all of its rows."""
    results = Places(path.resolve()).results
    ids = {record["id"] for _, record in _records(path, text, None)}
    if ids and not results.exists():
        raise UsageError(f"{path} has its full rows in {results}, which is missing; put it there, {REMEDY}")
    rows = _results(results) if results.exists() else []
    if strange := ids - {row_id(row) for row in rows}:
        raise UsageError(
            f"{path} and {results} do not belong together: {len(strange)} rows of the first are not in the second, "
            f"e.g. {min(strange)}; {REMEDY}"
        )
    return rows


def _results(path: Path) -> list[Row]:
    """The full rows of a table of results with the runs beside it."""
    runs_file = runs_beside(path)
    missing: set[str] = set()
    for _ in range(_TRIES):  # a writer may change both files between the two readings
        runs = _runs(runs_file)
        found = _records(path, text_at(path), RESULTS)
        missing = {record["run"] for _, record in found} - set(runs)
        if not missing:
            return _rows(path, [(line, {**runs[record["run"]], **record}) for line, record in found])
    raise UsageError(f"{runs_file} lacks run {min(missing)}, which {path} names; restore both files together")


def _runs(path: Path) -> dict[str, Raw]:
    return {record["run"]: record for _, record in _records(path, text_at(path), RUNS)}


def _records(path: Path, text: str, headers: set[tuple[str, ...]] | None) -> list[tuple[int, Raw]]:
    """The records of a table by their columns, with their lines; ``headers`` are the allowed ones, ``None`` for any."""
    if not text:
        return []
    lines = numbered(text)
    line, found = 1, []
    try:
        header = tuple(next(lines)[1])
        known = headers is None or header in headers
        for line, fields in lines:
            check_schema(f"{path}, line {line}", dict(zip(header, fields, strict=False)).get("schema", ""))
            if known:
                found.append((line, raw(header, fields)))
        if not known:
            line = 1
            raise ValueError("the columns are not those of a leaderboard")
    except ValueError as error:
        raise _damaged(path, line, error) from None
    return found


def _rows(path: Path, records: list[tuple[int, Raw]]) -> list[Row]:
    found = []
    for line, record in records:
        try:
            found.append(typed(record))
        except ValueError as error:
            raise _damaged(path, line, error) from None
    return found


def _damaged(path: Path, line: int, error: ValueError) -> UsageError:
    return UsageError(f"{path} is damaged at line {line}: {error}; {REMEDY}")
