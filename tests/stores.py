"""What lies in a store on disk, and stores as symbench wrote them before schema 2."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from bench.engine.cell import canonical_json
from bench.engine.store import FILE, Stored


def cell_ids(path: Path) -> dict[str, int]:
    """The number of each cell's row by its key; a cell that is written again gets another."""
    known = (path / FILE).exists() and asked(path, "SELECT 1 FROM sqlite_master WHERE name = 'cells'")
    return dict(asked(path, "SELECT key, id FROM cells")) if known else {}


def stored_runs(path: Path) -> list[dict[str, Any]]:
    """The run records, oldest first."""
    return [json.loads(run) for (run,) in asked(path, "SELECT run FROM runs ORDER BY id")]


def asked(path: Path, statement: str) -> list[Any]:
    with closing(sqlite3.connect(path / FILE)) as connection:
        return connection.execute(statement).fetchall()


def write_old(path: Path, cells: list[Stored], runs: list[dict[str, Any]]) -> None:
    """A store of schema 1: an ``.npz`` file a cell, a JSON file a run."""
    (path / "runs").mkdir(parents=True)
    (path / "schema").write_text("1\n")
    for stored in cells:
        meta = {
            "schema": 1,
            "cell": asdict(stored.cell),
            "seconds": stored.result.seconds,
            "gradients": stored.result.gradients,
            "provenance": stored.provenance,
        }
        file = path / "cells" / stored.cell.key[:2] / f"{stored.cell.key}.npz"
        file.parent.mkdir(parents=True, exist_ok=True)
        header = np.frombuffer(canonical_json(meta).encode(), dtype=np.uint8)
        arrays: dict[str, Any] = {"__meta__": header, **stored.result.arrays}
        np.savez(file, **arrays)
    for run in runs:
        text = canonical_json(run)
        (path / "runs" / f"{sha256(text.encode()).hexdigest()[:32]}.json").write_text(text)
