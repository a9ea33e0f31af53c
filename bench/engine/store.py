"""Stores results by key; a result is whole or absent.

A store in a directory is one SQLite file. A cell is a row, which is used only if its checksums are right (see
``bench.engine.records``). A run is a row with the request, so that pages can be drawn again from the store alone.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from bench.engine import database
from bench.engine.cell import canonical_json
from bench.engine.old_store import old_cells, old_runs
from bench.engine.records import Stored, encode, sealed
from bench.engine.store_rows import cell_of, cell_without_images, is_sound, run_of, whole_cell
from bench.errors import UsageError
from zoo.notes import note_once

__all__ = ["DirectoryStore", "MemoryStore", "Store", "Stored", "read_runs", "store_at"]

SCHEMA = 2
FILE = "results.sqlite"
ReadT = TypeVar("ReadT")
Run = Mapping[str, Any]


@runtime_checkable
class Store(Protocol):
    """A place for results."""

    def get(self, key: str, *, images: bool = True) -> Stored | None:
        """The result under a key, or ``None``. Without ``images``, the arrays of images may be missing: not read."""
        ...

    def put(self, stored: Stored) -> None:
        """Keeps a result under its cell's key."""
        ...

    def put_run(self, run: dict[str, Any]) -> None:
        """Keeps the request of a run."""
        ...

    def runs(self) -> Iterator[dict[str, Any]]:
        """All kept runs, oldest first."""
        ...


class MemoryStore:
    """A store for one Python session."""

    def __init__(self) -> None:
        self._cells: dict[str, Stored] = {}
        self._runs: dict[str, dict[str, Any]] = {}

    def get(self, key: str, *, images: bool = True) -> Stored | None:
        return self._cells.get(key)

    def put(self, stored: Stored) -> None:
        self._cells[stored.cell.key] = stored

    def put_run(self, run: dict[str, Any]) -> None:
        name = canonical_json(run)
        self._runs.pop(name, None)
        self._runs[name] = run

    def runs(self) -> Iterator[dict[str, Any]]:
        return iter(list(self._runs.values()))


@dataclass(frozen=True, slots=True)
class Taken:
    """Numbers of cells and runs that a store took in, and of those damaged or already here with another result."""

    cells: int = 0
    runs: int = 0
    damaged: int = 0
    unequal: int = 0


class DirectoryStore:
    """A store in a directory.

    A store of schema 1 (a folder of ``.npz`` files) is carried over when it is opened for the first time; its files
    stay. Several processes of one machine may read and write at the same time. The directory must not lie on a
    network file system.

    Args:
        path: the directory; made if it is missing.

    Attributes:
        path, file: the directory, and the file in it.
        connection: to the file, for queries about many cells at once (see ``bench.commands.store``).

    Raises:
        UsageError: it cannot be locked or written, or a newer version of symbench wrote it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.file = self.path / FILE
        self._put = 0
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            marker = self.path / "schema"
            found = self._schema(marker)
            self.connection = self._opened()
            self._inode = self.file.stat().st_ino
            if found < SCHEMA:
                self._carry_over()
                marker.write_text(f"{SCHEMA}\n")
        except (OSError, sqlite3.Error) as fault:
            raise self._unwritable(fault) from fault

    def _schema(self, marker: Path) -> int:
        text = marker.read_bytes().decode(errors="replace").strip() if marker.exists() else "0"
        if not (text.isascii() and text.isdecimal()) or int(text) > SCHEMA:
            raise UsageError(
                f"the store {self.path} has schema {text[:20]!r}, this symbench reads up to {SCHEMA}; "
                "update symbench or give another --store DIR"
            )
        return int(text)

    def _opened(self) -> sqlite3.Connection:
        try:
            return database.connect(self.file)
        except sqlite3.OperationalError:
            raise  # locked, full or not writable: not damaged
        except sqlite3.DatabaseError:
            self._rebuild()
            return database.connect(self.file)

    def _rebuild(self) -> None:
        kept = database.rebuild(self.file, is_sound)
        note_once(
            f"the store {self.path} was damaged; what can be read of it is kept, the rest is measured again "
            f"(the damaged file: {kept.name})"
        )

    def _carry_over(self) -> None:
        taken = self.take(old_cells(self.path), old_runs(self.path))
        if taken != Taken():
            lost = f", {taken.damaged} damaged files are left out" if taken.damaged else ""
            note_once(
                f"{taken.cells} cells and {taken.runs} runs of an older store are carried over to {self.file}{lost}; "
                "the folders cells and runs beside it are no longer read"
            )

    def take(self, cells: Iterable[Stored | None], runs: Iterable[dict[str, Any] | None]) -> Taken:
        """Adds what this store lacks, all of it or nothing; ``None`` stands for a damaged cell or run."""
        taken = Counter[str]()
        with database.transaction(self.connection):
            for stored in cells:
                if stored is None:
                    taken["damaged"] += 1
                elif (known := self.get(stored.cell.key)) is None:
                    taken["cells"] += self.add(stored)
                else:
                    taken["unequal"] += known.result.digest != stored.result.digest
            for run in runs:
                taken["damaged" if run is None else "runs"] += (
                    1 if run is None else self.add_run(run, replace=False)
                )
        return Taken(**taken)

    def get(self, key: str, *, images: bool = True) -> Stored | None:
        try:
            light = None if images else cell_without_images(self.connection, key)
            return light or whole_cell(self.connection, key)
        except sqlite3.OperationalError as fault:
            raise UsageError(
                f"cannot read the store {self.path}: {fault}; give another --store DIR"
            ) from fault
        except (sqlite3.DatabaseError, ValueError, TypeError):
            return None  # damaged: the cell is measured again

    def put(self, stored: Stored) -> None:
        self._write(lambda: self.add(stored))
        if self.get(stored.cell.key) is None:  # the file's index is damaged
            self.rebuild()
            self._write(lambda: self.add(stored))
        self._put += 1

    def put_run(self, run: dict[str, Any]) -> None:
        self._write(lambda: self.add_run(run))

    def add(self, stored: Stored) -> bool:
        """Puts a cell in the current transaction; whether it was written."""
        record, cell = encode(stored), stored.cell
        columns = (cell.key, cell.kind, cell.model, cell.dataset, cell.attack)
        values = (*columns, record.description, record.seal, record.arrays)
        return database.put(self.connection, "cells", values)

    def add_run(self, run: Mapping[str, Any], *, replace: bool = True) -> bool:
        """Puts a run in the current transaction, as the newest unless it stays where it is; whether it was written."""
        text, seal = sealed(run)
        values = (sha256(text.encode()).hexdigest()[:32], text, seal)
        return database.put(self.connection, "runs", values, replace=replace)

    def cells(self) -> Iterator[Stored | None]:
        """Every cell, oldest first; ``None`` for one that is damaged."""
        return map(cell_of, database.rows(self.connection, "cells"))

    def runs(self) -> Iterator[dict[str, Any]]:
        return (run for run in self.all_runs() if run is not None)

    def all_runs(self) -> Iterator[dict[str, Any] | None]:
        """Every run, oldest first; ``None`` for one that is damaged."""
        return map(run_of, list(database.rows(self.connection, "runs")))

    def rebuild(self) -> None:
        """Writes a new file with all readable rows; the old file stays beside it."""
        self.close()
        self._rebuild()
        self.connection = database.connect(self.file)
        self._inode = self.file.stat().st_ino

    def _write(self, write: Callable[[], object]) -> None:
        self._check_present()
        try:
            try:
                self._written(write)
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:
                self.rebuild()
                self._written(write)
        except (OSError, sqlite3.Error) as fault:
            raise self._unwritable(fault, "; what it holds is kept") from fault

    def _written(self, write: Callable[[], object]) -> None:
        with database.transaction(self.connection):
            write()

    def _check_present(self) -> None:
        """Raises ``UsageError`` if the file was deleted or replaced after it was opened."""
        try:
            present = os.stat(self.file).st_ino == self._inode
        except OSError:
            present = False
        if not present:
            raise UsageError(
                f"the store {self.path} was deleted or replaced during the run; {self._put} cells measured in this "
                "run are lost, run the command again"
            )

    def _unwritable(self, fault: Exception, more: str = "; give another --store DIR") -> UsageError:
        reason = getattr(fault, "strerror", None) or str(fault)
        return UsageError(f"cannot write to the store {self.path}: {reason}{more}")

    def close(self) -> None:
        """Closes the file; the last process to do so clears its log."""
        with contextlib.suppress(sqlite3.Error, AttributeError):
            self.connection.close()

    __del__ = close


def store_at(path: Path) -> DirectoryStore | MemoryStore:
    """The store in a directory; without one, an empty store in memory. Nothing is written."""
    is_store = (path / FILE).is_file() or (path / "cells").is_dir()
    return DirectoryStore(path) if is_store else MemoryStore()


def read_runs(store: Store, kind: str, read: Callable[[Run], ReadT]) -> Iterator[ReadT]:
    """The results of a function for each run of a kind, oldest first.

    A run that it cannot read (of another version, or changed) is skipped and named in a line.

    Args:
        store: where the runs are.
        kind: of the runs, e.g. ``attacks``.
        read: raises ``KeyError``, ``TypeError``, ``ValueError`` or ``AttributeError`` for one it cannot read.
    """
    for run in store.runs():
        if run.get("kind", "attacks") != kind:
            continue
        try:
            found = read(run)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as fault:
            what = str(run.get("command") or "without a command")[:100]
            reason = f"{type(fault).__name__}: {fault}"[:100]
            note_once(f"a stored run of {kind} ({what}) cannot be read ({reason}); it is left out and kept")
        else:
            yield found
