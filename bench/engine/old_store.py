"""Stores of schema 1: a folder of ``.npz`` files, one a cell, and a JSON file a run. They are only read."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.engine.cell import Cell
from bench.engine.records import Stored
from bench.engine.result import CellResult

_META = "__meta__"
_LOCAL_HEADER = 30  # bytes before an entry's name and additional fields


def old_cells(path: Path) -> Iterator[Stored | None]:
    """The cells of a store; ``None`` for a file that is damaged or named by another key."""
    for file in sorted((path / "cells").glob("*/*.npz")):
        try:
            stored = _read(file)
        except Exception:  # anything that zipfile and numpy raise for a damaged file
            yield None
        else:
            yield stored if stored.cell.key == file.stem else None


def old_runs(path: Path) -> Iterator[dict[str, Any] | None]:
    """The runs of a store, oldest first; ``None`` for a file that is damaged."""
    found = ((file.stat().st_mtime, file.name, file) for file in (path / "runs").glob("*.json"))
    for _, _, file in sorted(found):
        try:
            run = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            run = None
        yield run if isinstance(run, dict) else None


def _read(file: Path) -> Stored:
    with zipfile.ZipFile(file) as archive:
        _check_whole(archive)
    with np.load(file, allow_pickle=False) as content:
        meta = json.loads(content[_META].tobytes())
        arrays = {name: content[name] for name in content.files if name != _META}
    result = CellResult(arrays=arrays, seconds=meta["seconds"], gradients=meta["gradients"])
    return Stored(cell=Cell.from_json(meta["cell"]), result=result, provenance=meta["provenance"])


def _check_whole(archive: zipfile.ZipFile) -> None:
    """Raises ``ValueError`` unless the directory's entries cover the file, so that none was dropped from it."""
    end = 0
    for entry in sorted(archive.infolist(), key=lambda each: each.header_offset):
        if entry.header_offset != end or archive.fp is None:
            raise ValueError(f"{entry.filename} does not begin where the entry before ends")
        archive.fp.seek(end)
        header = archive.fp.read(_LOCAL_HEADER)
        name, more = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
        end += _LOCAL_HEADER + name + more + entry.compress_size
    if end != archive.start_dir:  # pyright: ignore[reportAttributeAccessIssue]
        raise ValueError("entries are missing from the directory")
