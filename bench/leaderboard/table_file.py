"""A table beside the pages, of rows that the leaderboard has no columns for; same measurements are merged."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from bench.engine.files import write_atomically
from bench.errors import UsageError
from bench.leaderboard.lines import cell, csv_text


def merge(
    path: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str], identity: Sequence[str]
) -> None:
    """Puts rows into the file, under a lock, whole or not at all; a row of the same identity is replaced.

    Args:
        path: of the file; made if absent.
        rows: have all columns.
        columns: of the file, in order.
        identity: columns that identify a measurement.

    Raises:
        UsageError: the existing file has other columns, or cannot be written.
    """
    new = [{name: cell(row[name]) for name in columns} for row in rows]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=60):
            every = (*_read(path, columns), *new)
            known = {tuple(row[name] for name in identity): row for row in every}
            text = csv_text(columns, (list(known[key].values()) for key in sorted(known)))
            write_atomically(path, text.encode())
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}); give other --reports") from error


def _read(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != tuple(columns):
            raise UsageError(f"{path} has other columns than this version writes; move it away")
        return list(reader)
