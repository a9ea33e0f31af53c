"""Results by key: whole or absent.

A cell is one ``.npz`` file named by its key, written to a temporary name and renamed, so a crash leaves
either all of it or nothing. A run is one JSON file that says what was asked for, so that pages can be drawn
again from the store alone.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from bench.cell import Cell, canonical_json
from bench.errors import UsageError
from bench.measure import CellResult

SCHEMA = 1
_META = "__meta__"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Stored:
    """A cell with what came out of it.

    Attributes:
        cell: what was measured.
        result: per-image arrays, seconds, gradients.
        provenance: where and with which versions; outside the key.
    """

    cell: Cell
    result: CellResult
    provenance: dict[str, str]


@runtime_checkable
class Store(Protocol):
    """Where results live."""

    def get(self, key: str) -> Stored | None:
        """The result under a key, or ``None``."""
        ...

    def put(self, stored: Stored) -> None:
        """Keeps a result under its cell's key."""
        ...

    def put_run(self, run: dict[str, Any]) -> None:
        """Keeps what a run was asked for."""
        ...

    def runs(self) -> Iterator[dict[str, Any]]:
        """All kept runs, oldest first."""
        ...


class MemoryStore:
    """A store for one Python session."""

    def __init__(self) -> None:
        self._cells: dict[str, Stored] = {}
        self._runs: dict[str, dict[str, Any]] = {}

    def get(self, key: str) -> Stored | None:
        return self._cells.get(key)

    def put(self, stored: Stored) -> None:
        self._cells[stored.cell.key] = stored

    def put_run(self, run: dict[str, Any]) -> None:
        self._runs[canonical_json(run)] = run

    def runs(self) -> Iterator[dict[str, Any]]:
        return iter(self._runs.values())


class DirectoryStore:
    """A store in a directory.

    Args:
        path: the directory; made if it is missing.

    Raises:
        UsageError: it cannot be written, or a newer version of symbench wrote it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            (path / "cells").mkdir(parents=True, exist_ok=True)
            (path / "runs").mkdir(exist_ok=True)
            self._check_schema(path / "schema")
        except OSError as fault:
            raise UsageError(
                f"cannot write to the store {path}: {fault.strerror}; give another --store DIR"
            ) from fault

    def _check_schema(self, marker: Path) -> None:
        if not marker.exists():
            write_atomically(marker, f"{SCHEMA}\n".encode())
        found = marker.read_text().strip()
        if not found.isdecimal() or int(found) > SCHEMA:
            raise UsageError(
                f"the store {self.path} has schema {found!r}, this symbench reads up to {SCHEMA}; "
                "update symbench or give another --store DIR"
            )

    def get(self, key: str) -> Stored | None:
        path = self._cell_path(key)
        try:
            return decode(path.read_bytes())
        except FileNotFoundError:
            return None
        except (zipfile.BadZipFile, ValueError, KeyError, EOFError):
            # Only a lost disk write can leave a damaged file; the cell is measured again.
            return None

    def put(self, stored: Stored) -> None:
        self._write(self._cell_path(stored.cell.key), encode(stored))

    def put_run(self, run: dict[str, Any]) -> None:
        text = canonical_json(run)
        name = sha256(text.encode()).hexdigest()[:32]
        self._write(self.path / "runs" / f"{name}.json", text.encode())

    def _write(self, path: Path, content: bytes) -> None:
        try:
            path.parent.mkdir(exist_ok=True)
            write_atomically(path, content)
        except OSError as fault:
            raise UsageError(
                f"cannot write to the store {self.path}: {fault.strerror}; what it holds is kept"
            ) from fault

    def runs(self) -> Iterator[dict[str, Any]]:
        files = sorted(
            (self.path / "runs").glob("*.json"), key=lambda file: (file.stat().st_mtime, file.name)
        )
        for file in files:
            # As with cells, only a lost disk write can leave a damaged file.
            with contextlib.suppress(ValueError):
                yield json.loads(file.read_text())

    def _cell_path(self, key: str) -> Path:
        return self.path / "cells" / key[:2] / f"{key}.npz"


def encode(stored: Stored) -> bytes:
    """A cell and its result as the bytes of an ``.npz`` file."""
    meta = {
        "schema": SCHEMA,
        "cell": asdict(stored.cell),
        "seconds": stored.result.seconds,
        "gradients": stored.result.gradients,
        "provenance": stored.provenance,
    }
    buffer = io.BytesIO()
    header = np.frombuffer(canonical_json(meta).encode(), dtype=np.uint8)
    arrays: dict[str, Any] = {_META: header, **stored.result.arrays}
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def decode(content: bytes) -> Stored:
    """The reverse of ``encode``; nothing is unpickled."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        meta = json.loads(file[_META].tobytes())
        arrays = {name: file[name] for name in file.files if name != _META}
    result = CellResult(arrays=arrays, seconds=meta["seconds"], gradients=meta["gradients"])
    return Stored(cell=Cell.from_json(meta["cell"]), result=result, provenance=meta["provenance"])


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file so that it is either whole or as it was before."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:16]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
