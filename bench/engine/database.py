"""The file of a store: SQLite with a write-ahead log, and its repair when it is damaged."""

from __future__ import annotations

import contextlib
import functools
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

WAIT = 60.0  # seconds to wait for another writer
_TABLES = """
CREATE TABLE IF NOT EXISTS cells (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, kind TEXT, model TEXT, dataset TEXT, attack TEXT,
    description BLOB, seal BLOB, arrays BLOB
);
CREATE UNIQUE INDEX IF NOT EXISTS cells_by_key ON cells (key);
CREATE TABLE IF NOT EXISTS runs (id INTEGER PRIMARY KEY, name TEXT NOT NULL, run TEXT, seal BLOB);
CREATE UNIQUE INDEX IF NOT EXISTS runs_by_name ON runs (name);
"""
COLUMNS = {
    "cells": ("key", "kind", "model", "dataset", "attack", "description", "seal", "arrays"),
    "runs": ("name", "run", "seal"),
}
_PAGE_COUNT, _FREE_LIST = slice(28, 32), slice(32, 40)  # fields of the file's first 100 bytes
_SMALLEST_ROW = 64  # bytes; from a file's size they give the most rows it can have


def connect(path: Path) -> sqlite3.Connection:
    """Opens a file with its tables, and makes both if they are missing.

    A transaction is begun and ended, so that a file that cannot be locked or written is known at once.

    Raises:
        sqlite3.OperationalError: the file cannot be opened, locked or written.
        sqlite3.DatabaseError: it is damaged, or no database.
    """
    connection = sqlite3.connect(path, timeout=WAIT, isolation_level=None)
    try:
        connection.text_factory = lambda text: text.decode(errors="replace")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")  # the log outlives a killed process
        with transaction(connection):
            _make_tables(connection)
        if _declared(connection) != _expected():
            raise sqlite3.DatabaseError("its tables are not those of a store")
    except UnicodeDecodeError as fault:  # of SQLite's message about a damaged declaration
        connection.close()
        raise sqlite3.DatabaseError("its tables are not declared in UTF-8") from fault
    except BaseException:
        connection.close()
        raise
    return connection


def _make_tables(connection: sqlite3.Connection) -> None:
    for statement in _TABLES.split(";\n"):
        connection.execute(statement)


def _declared(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    return connection.execute("SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema").fetchall()


@functools.cache
def _expected() -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        _make_tables(connection)
        return _declared(connection)


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Writes everything inside the block, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def put(connection: sqlite3.Connection, table: str, values: tuple[Any, ...], *, replace: bool = True) -> bool:
    """Writes a row; an existing row of the same key or name is replaced if ``replace``, else kept. Whether it wrote."""
    how, marks = "REPLACE" if replace else "IGNORE", ", ".join("?" * len(values))
    columns = ", ".join(COLUMNS[table])
    done = connection.execute(f"INSERT OR {how} INTO {table} ({columns}) VALUES ({marks})", values)
    return done.rowcount > 0


def rows(connection: sqlite3.Connection, table: str) -> Iterator[tuple[Any, ...]]:
    """All rows of a table that can be read, oldest first; damaged pages are passed over."""
    (pages,), (size,) = (
        connection.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size")
    )
    last, most = 0, pages * size // _SMALLEST_ROW
    statement = f"SELECT id, {', '.join(COLUMNS[table])} FROM {table} WHERE id > ? ORDER BY id"
    while last <= most:
        try:
            for found in connection.execute(statement, (last,)):
                if not isinstance(found[0], int) or found[0] <= last:
                    raise sqlite3.DatabaseError("rows out of order")
                last = found[0]
                yield found[1:]
            return
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            last += 1


def rebuild(path: Path, sound: Callable[[str, tuple[Any, ...]], bool]) -> Path:
    """Puts a new file with the sound rows in a damaged one's place.

    Args:
        path: the damaged file; it is kept beside the new one.
        sound: whether a row of a table (its name, the values of ``COLUMNS``) is to be kept.

    Returns:
        Where the damaged file now is.
    """
    number = 1
    while (kept := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    fresh = path.with_name(f"{path.name}.new-{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with contextlib.closing(connect(fresh)) as new:
        for attempt in (lambda: None, lambda: _renew_header(path, fresh)):
            with contextlib.suppress(sqlite3.DatabaseError):
                attempt()
                with contextlib.closing(connect(path)) as old:
                    _copy(old, new, sound)
                break
        new.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    os.replace(path, kept)
    os.replace(fresh, path)
    return kept


def _copy(
    old: sqlite3.Connection, new: sqlite3.Connection, sound: Callable[[str, tuple[Any, ...]], bool]
) -> None:
    for table in COLUMNS:
        with transaction(new):
            for values in rows(old, table):
                if sound(table, values):
                    put(new, table, values)


def _renew_header(path: Path, template: Path) -> None:
    """Replaces the first page of a damaged file, where the tables are declared, by that of a new one."""
    with contextlib.closing(sqlite3.connect(template)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    page = bytearray(template.read_bytes()[:size])
    page[_PAGE_COUNT] = (path.stat().st_size // size).to_bytes(4, "big")
    page[_FREE_LIST] = bytes(8)
    with open(path, "r+b") as file:
        file.write(page)
