"""Lines of CSV and their values: reading a written value gives the same value."""

from __future__ import annotations

import csv
import io
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.leaderboard.columns import COLUMNS, KINDS, OPTIONAL, SCHEMA, Row, batch_before, columns_of, version
from bench.leaderboard.marks import level_of, marked, verdict_of
from bench.leaderboard.members import WORST, named

REMEDY = "move it away or give another --leaderboard FILE"


def text_at(path: Path) -> str:
    """The text of a file; ``UsageError`` if it cannot be read or is no text."""
    try:
        return path.read_bytes().decode("utf-8-sig")  # a spreadsheet begins with a byte order mark
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror or error}); {REMEDY}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not a leaderboard: it is not UTF-8 text; {REMEDY}") from None


def numbered(text: str) -> Iterator[tuple[int, list[str]]]:
    """Records, each with the number of its first line; ``ValueError`` if one is no CSV or the last one is cut off."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            yield line, next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            raise ValueError(f"{error} (from line {line} on)") from None
    if not text.endswith("\n"):
        raise ValueError("it is cut off")


def raw(header: Sequence[str], fields: Sequence[str]) -> dict[str, str]:
    """A record by its columns; ``ValueError`` if it has other columns."""
    if len(fields) != len(header):
        raise ValueError(f"it has {len(fields)} fields instead of {len(header)}")
    return dict(zip(header, fields, strict=True))


def check_schema(place: str, schema: str) -> None:
    """Raises ``UsageError`` for a row that only a newer version can read."""
    if schema.isdecimal() and int(schema) > SCHEMA:
        raise UsageError(
            f"{place}: the row is of schema {schema}, and symbench {version()} reads up to {SCHEMA}; "
            f"install a newer symbench, {REMEDY}"
        )


def typed(raw: dict[str, str]) -> Row:
    """A full row from the texts of its columns; columns that its schema lacks are ``None`` or ''.

    Raises:
        ValueError: the message says what is wrong.
    """
    schema = _value("schema", raw["schema"], frozenset())
    absent = _absent(schema)
    row = {column: _value(column, raw.get(column, ""), absent) for column in COLUMNS}
    if "iterate" in absent and row["steps"] is not None:
        row["iterate"] = "last"  # the only way at that time
    if "batch" in absent:
        row["batch"] = batch_before(row)
    if row["attack"] == WORST:  # up to schema 3 the name did not say over which attacks
        row |= named(row["params"])
    if row["audit"] and row["audit"] == verdict_of(row["audit"]):  # and the verdict not from which audit
        row["audit"] = marked(row["audit"], level_of(row["audit"]))
    return row


@cache
def _absent(schema: int) -> frozenset[str]:
    return frozenset(COLUMNS) - set(columns_of(schema))


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


def cell(value: Any) -> str:
    """A value's text; floats in the shortest form that reads back as the same number."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def csv_text(header: Sequence[str], records: Iterable[Sequence[str]]) -> str:
    """A table as the text of its file."""
    stream = io.StringIO(newline="")
    plain = csv.writer(stream, lineterminator="\n")
    quoted = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)
    plain.writerow(header)
    for cells in records:
        # csv does not quote a bare carriage return, but ends the line there when it reads
        (quoted if any("\r" in each for each in cells) else plain).writerow(cells)
    return stream.getvalue()
