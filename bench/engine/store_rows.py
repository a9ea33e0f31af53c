"""Rows of a store's file as cells and runs; a damaged one gives ``None`` or raises ``ValueError``."""

from __future__ import annotations

import sqlite3
from typing import Any

from bench.engine.records import Record, Stored, decode, decode_without_images, unsealed


def whole_cell(connection: sqlite3.Connection, key: str) -> Stored | None:
    """The cell of a key, ``None`` if there is none; ``ValueError`` if it is damaged."""
    statement = "SELECT description, seal, arrays FROM cells WHERE key = ?"
    row = connection.execute(statement, (key,)).fetchone()
    return None if row is None else decode(Record(*row), key)


def cell_without_images(connection: sqlite3.Connection, key: str) -> Stored | None:
    """The cell of a key without its images, ``None`` if it cannot be read alone: ask ``whole_cell`` then."""
    statement = "SELECT id, description, seal FROM cells WHERE key = ?"
    row = connection.execute(statement, (key,)).fetchone()
    if row is None:
        return None
    try:
        with connection.blobopen("cells", "arrays", row[0], readonly=True) as arrays:
            return decode_without_images(row[1], row[2], arrays.read, key)
    except (TypeError, ValueError, sqlite3.Error):  # damaged, replaced since, or of a version before this way
        return None


def cell_of(row: tuple[Any, ...]) -> Stored | None:
    """The cell of a row of the table, or ``None`` if it is damaged."""
    key, *_, description, seal, arrays = row
    try:
        return decode(Record(description, seal, arrays), key)
    except (ValueError, TypeError):
        return None


def run_of(row: tuple[Any, ...]) -> dict[str, Any] | None:
    """The run of a row of the table, or ``None`` if it is damaged."""
    _, text, seal = row
    try:
        run = unsealed(text, seal)
    except ValueError:
        return None
    return run if isinstance(run, dict) else None


def is_sound(table: str, row: tuple[Any, ...]) -> bool:
    """Whether a row of a table can be read."""
    return (cell_of(row) if table == "cells" else run_of(row)) is not None
