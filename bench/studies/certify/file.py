"""``certificates.csv``: rows merged by what they were measured on, beside the pages.

Certificates have a file of their own: a leaderboard's row is of one attack in one ball and has no place for noise,
samples and confidence.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from bench.engine.files import write_atomically
from bench.errors import UsageError
from bench.studies.certify.rows import COLUMNS, IDENTITY

NAME = "certificates.csv"


def merge(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Puts rows into the file, under a lock, whole or not at all; a row of the same identity is replaced.

    Raises:
        UsageError: the file there has other columns, or cannot be written.
    """
    new = [{name: _text(row[name]) for name in COLUMNS} for row in rows]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=60):
            known = {_identity(row): row for row in (*_read(path), *new)}
            write_atomically(path, _csv(known[key] for key in sorted(known)))
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}); give other --reports") from error


def _read(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise UsageError(f"{path} has other columns than certificates have; move it away")
        return list(reader)


def _identity(row: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(row[name] for name in IDENTITY)


def _csv(rows: Iterable[Mapping[str, str]]) -> bytes:
    stream = io.StringIO(newline="")
    table = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return stream.getvalue().encode()


def _text(value: Any) -> str:
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)
