"""``leaderboard.csv``: rows merged by what they were measured on, in a file never left half written."""

from __future__ import annotations

import csv
import errno
import io
import math
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from bench.errors import UsageError
from bench.leaderboard import changes
from bench.leaderboard.changes import ERRORS, Key, Known, Verdicts
from bench.leaderboard.columns import COLUMNS, KINDS, OPTIONAL, SCHEMA, Row, batch_before, identity, version
from bench.leaderboard.marks import level_of, marked, verdict_of
from bench.leaderboard.members import WORST, named
from bench.leaderboard.row_verdicts import Outcomes, remark

_NEW_IN_6 = ("batch",)
_NEW_IN_5 = ("suspect", *_NEW_IN_6)
_NEW_IN_4 = ("stronger", *ERRORS, *_NEW_IN_5)
_NEW_IN_3 = ("iterate", "audit", "silent", *_NEW_IN_4)
_NEW_IN_2 = (*(c for c in COLUMNS if c.startswith("clever_")), "attack_median", *_NEW_IN_3)
OLDER: dict[int, tuple[str, ...]] = {  # columns of earlier schemas, each a part of COLUMNS
    schema: tuple(c for c in COLUMNS if c not in new)
    for schema, new in enumerate((_NEW_IN_2, _NEW_IN_3, _NEW_IN_4, _NEW_IN_5, _NEW_IN_6), 1)
}
_REMEDY = "move it away or give another --leaderboard FILE"


def read(path: Path) -> list[Row]:
    """The rows of a leaderboard, as ``rows`` makes them; columns an older schema lacks are ``None`` or ''.

    An empty file is a leaderboard without rows.

    Raises:
        UsageError: the file cannot be read, is not a leaderboard, is damaged, or is of a newer schema; the
            message names file, line and remedy.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")  # a spreadsheet begins with a byte order mark
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror or error}); {_REMEDY}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not a leaderboard: it is not UTF-8 text; {_REMEDY}") from None
    if not text:
        return []
    lines = _lines(text)
    line, found = 1, []
    try:
        header = tuple(next(lines, (1, []))[1])
        known = header == COLUMNS or header in OLDER.values()
        if not known and not {"model", "schema", "symbench"} <= set(header):
            raise UsageError(f"{path} is not a leaderboard: line 1 is not the header of one; {_REMEDY}")
        for line, fields in lines:
            _check_schema(f"{path}, line {line}", dict(zip(header, fields, strict=False)).get("schema", ""))
            if known:
                found.append(_parse(header, fields))
        if not known:
            line = 1
            raise ValueError("the columns are not those of a leaderboard")
        if not text.endswith("\n"):
            raise ValueError("it is cut off")
    except ValueError as error:
        raise UsageError(f"{path} is damaged at line {line}: {error}; {_REMEDY}") from None
    return found


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Records with the number of the line each begins on; ``ValueError`` where one is not CSV."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            yield line, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ValueError(f"{error} (from line {line} on)") from None


def _check_schema(place: str, schema: str) -> None:
    if schema.isdecimal() and int(schema) > SCHEMA:
        raise UsageError(
            f"{place}: the row is of schema {schema}, and symbench {version()} reads up to {SCHEMA}; "
            f"install a newer symbench, {_REMEDY}"
        )


def _parse(header: tuple[str, ...], fields: list[str]) -> Row:
    """One row; ``ValueError`` says what is wrong with it."""
    if len(fields) != len(header):
        raise ValueError(f"it has {len(fields)} fields instead of {len(header)}")
    raw = dict(zip(header, fields, strict=True))
    schema = _value("schema", raw["schema"], frozenset())
    absent = frozenset(COLUMNS) - set(OLDER.get(schema, COLUMNS))
    row = {column: _value(column, raw.get(column, ""), absent) for column in COLUMNS}
    if "iterate" in absent and row["steps"] is not None:
        row["iterate"] = "last"  # the only way there was
    if "batch" in absent:
        row["batch"] = batch_before(row)
    if row["attack"] == WORST:  # up to schema 3 the name did not say over what
        row |= named(row["params"])
    if row["audit"] and row["audit"] == verdict_of(row["audit"]):  # nor the verdict from which audit
        row["audit"] = marked(row["audit"], level_of(row["audit"]))
    return row


def _value(column: str, text: str, absent: frozenset[str]) -> Any:
    kind = KINDS[column]
    if kind == "text":
        return sys.intern(text)  # a large file has the same texts in most rows
    if text == "" and (column in OPTIONAL or column in absent):
        return None
    try:
        if kind == "bool":
            return {"true": True, "false": False}[text]
        number = int(text) if kind == "int" else float(text)
    except (ValueError, KeyError):
        raise ValueError(f"{column} is {text!r}") from None
    if not math.isfinite(number):
        raise ValueError(f"{column} is {text!r}")
    return number


def merge(
    path: Path,
    new: Iterable[Mapping[str, Any]],
    outcomes: Outcomes | None = None,
    verdicts: Verdicts | None = None,
    errors: Mapping[Key, Row] | None = None,
) -> list[Row]:
    """Puts rows into a leaderboard: a row of the same identity is replaced.

    An audit's verdict and corruption errors stay, unless the new row has others.

    What the rows then say of each other is written too (see ``bench.leaderboard.row_verdicts``). Rows are sorted by
    identity. The file is replaced as a whole, under a lock that lies beside it, so that all processes that see the
    file see its lock; a reader sees the old file or the new one. A file that would stay the same is left alone.

    Args:
        path: the leaderboard; made if it is not there. Its directory must exist.
        new: rows as ``rows`` makes them.
        outcomes: of rows whose images are known one by one, as ``bench.studies.robustness.rows.outcomes`` gives them.
        verdicts, errors: for all rows of the file, as in ``mark``.

    Returns:
        The new rows as they stand in the file.

    Raises:
        UsageError: the file there is not a leaderboard this version reads (it is left as it is), or it
            cannot be written.
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
    """Writes audits' verdicts and corruption errors beside their numbers; makes no leaderboard.

    Args:
        path: the leaderboard.
        verdicts: verdict with its level by (weights, data); rows of other weights or data, or of a released
            protocol, which no audit is of, keep theirs, and so do rows that others of the file speak against.
        outcomes: as in ``merge``.
        errors: columns of corruption errors, as ``bench.studies.robustness.corruption_errors.errors_of`` gives them.

    Raises:
        UsageError: as ``merge``.
    """
    if path.exists():
        merge(path, (), outcomes, verdicts, errors)


def _change(path: Path, change: Callable[[Known], None]) -> Known:
    """Reads the rows by their identity, has them changed, and writes them, all under the lock."""
    path = _target(path)
    try:
        _check_place(path)  # where nothing can be written, a lock would be waited for in vain
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=60):
            known = {identity(row): row for row in (read(path) if path.exists() else [])}
            change(known)
            _write(path, _text(known[key] for key in sorted(known, key=_order)))
            return known
    except Timeout:
        raise UsageError(f"{path} has been locked by another process for a minute; try again later") from None
    except (OSError, UnicodeEncodeError) as error:
        raise _unwritable(path, error) from None


def _order(key: tuple[Any, ...]) -> tuple[tuple[bool, Any], ...]:
    return tuple((value is not None, value) for value in key)


def check_writable(path: Path) -> None:
    """Says before measuring whether ``merge`` could lock and write there; leaves nothing behind.

    Raises:
        UsageError: as ``merge`` would.
    """
    path = _target(path)
    try:
        if path.exists():
            read(path)
            if not os.access(path, os.W_OK):
                raise PermissionError(13, "Permission denied")
        _check_place(path)
    except OSError as error:
        raise _unwritable(path, error) from None


def _check_place(path: Path) -> None:
    """Raises ``OSError`` unless a file can be made and locked beside the leaderboard."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name[:16]}.") as folder:
        try:
            with FileLock(Path(folder) / "lock", timeout=60):
                pass
        except NotImplementedError as error:
            raise OSError(errno.ENOLCK, "its file system refuses locks") from error


def _target(path: Path) -> Path:
    """The file itself where ``path`` is a link to it; refuses what is not a plain file."""
    try:
        target = Path(path).resolve()
        special = target.exists() and not target.is_file()
    except (OSError, RuntimeError, ValueError) as error:
        raise _unwritable(Path(path), error) from None
    if special:
        raise UsageError(f"{path} is not a plain file; give another --leaderboard FILE")
    return target


def _unwritable(path: Path, error: Exception) -> UsageError:
    reason = getattr(error, "strerror", None) or str(error)
    return UsageError(f"{path} cannot be written ({reason}); give a --leaderboard FILE that can be")


def _text(sorted_rows: Iterable[Mapping[str, Any]]) -> str:
    """The file's text; floats in the shortest form that reads back as the same number."""
    stream = io.StringIO(newline="")
    plain = csv.writer(stream, lineterminator="\n")
    quoted = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)
    plain.writerow(COLUMNS)
    for row in sorted_rows:
        cells = [_cell(row[column]) for column in COLUMNS]
        # csv does not quote a bare carriage return, but ends the line there when it reads
        (quoted if any("\r" in cell for cell in cells) else plain).writerow(cells)
    return stream.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def _write(path: Path, text: str) -> None:
    """Replaces the file as a whole, unless that is its text already."""
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(13, "Permission denied")
    if path.exists() and path.read_bytes() == text.encode():
        return
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "x", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
