"""``bench store``: shows, merges, prunes and checks stores."""

from __future__ import annotations

import json
import sqlite3
from argparse import Namespace
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.engine import database
from bench.engine.store import DirectoryStore, Taken, store_at
from bench.errors import UsageError
from bench.studies.shared.screen import say


def execute(options: Namespace) -> int:
    """Runs the named action; 1 if ``check`` finds damage that it was not told to remove."""
    store = _existing(Path(options.store))
    if options.what == "merge":
        return _merge(store, [Path(each) for each in options.others], options.json)
    return {"info": _info, "prune": _prune, "check": _check}[options.what](store, options)


def _existing(path: Path) -> DirectoryStore:
    store = store_at(path)
    if not isinstance(store, DirectoryStore):
        raise UsageError(f"there is no store at {path}; measure something first, or give --store DIR")
    return store


def _info(store: DirectoryStore, options: Namespace) -> int:
    counted = store.connection.execute(
        "SELECT dataset, kind, COUNT(DISTINCT model), COUNT(*), SUM(LENGTH(arrays)) FROM cells"
        " GROUP BY dataset, kind ORDER BY dataset, kind"
    )
    names = ("dataset", "kind", "models", "cells", "bytes")
    rows = [dict(zip(names, row, strict=True)) for row in counted]
    total = {
        "store": str(store.path),
        "cells": sum(row["cells"] for row in rows),
        "runs": len(list(store.runs())),
        "bytes": store.file.stat().st_size,
        "parts": rows,
    }
    if options.json:
        print(json.dumps(total))
        return 0
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name, justify="left" if name in ("dataset", "kind") else "right")
    for row in rows:
        table.add_row(*(_size(row[name]) if name == "bytes" else str(row[name]) for name in names))
    Console(highlight=False, soft_wrap=True).print(table)
    print(f"{total['cells']} cells and {total['runs']} runs, {_size(total['bytes'])} in {store.file}")
    return 0


def _merge(store: DirectoryStore, others: list[Path], as_json: bool) -> int:
    """Adds the cells and runs of other stores that this one lacks."""
    total = Counter[str]()
    for other in [_existing(path) for path in others]:
        if other.file.samefile(store.file):
            raise UsageError(f"{other.path} is the store itself; name another one to merge")
        total += Counter(asdict(store.take(other.cells(), other.all_runs())))
    taken = Taken(**total)
    if as_json:
        print(json.dumps(asdict(taken)))
        return 0
    print(f"{taken.cells} cells and {taken.runs} runs taken over to {store.path}")
    if taken.damaged:
        say(f"{taken.damaged} damaged records are left out")
    if taken.unequal:
        say(
            f"{taken.unequal} cells have different results in the two stores (other machine or versions?); "
            "those of this store are kept"
        )
    return 0


def _prune(store: DirectoryStore, options: Namespace) -> int:
    """Removes cells, and makes the file smaller."""
    chosen = {
        name: getattr(options, name) for name in ("model", "dataset", "attack") if getattr(options, name)
    }
    if not chosen:
        raise UsageError("bench store prune removes cells; say which with --model, --dataset or --attack")
    where = " AND ".join(f"{name} = ?" for name in chosen)
    values = tuple(chosen.values())
    (count, size), *_ = store.connection.execute(
        f"SELECT COUNT(*), COALESCE(SUM(LENGTH(arrays)), 0) FROM cells WHERE {where}", values
    )
    if not options.dry_run:
        with database.transaction(store.connection):
            store.connection.execute(f"DELETE FROM cells WHERE {where}", values)
        store.connection.execute("VACUUM")
    _said(options, {"cells": count, "bytes": size, "removed": not options.dry_run})
    return 0


def _said(options: Namespace, found: dict[str, Any]) -> None:
    if options.json:
        print(json.dumps(found))
    else:
        done = "removed" if found["removed"] else "would be removed"
        print(f"{found['cells']} cells {done}, {_size(found['bytes'])}")


def _check(store: DirectoryStore, options: Namespace) -> int:
    """Reads every record, and SQLite's own structures."""
    cells = list(map(bool, store.cells()))
    runs = list(map(bool, store.all_runs()))
    try:
        (answer,) = store.connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.DatabaseError as fault:
        answer = str(fault)
    damaged = cells.count(False) + runs.count(False)
    sound = not damaged and answer == "ok"
    if not sound and options.repair:
        store.rebuild()
    found = {
        "cells": len(cells),
        "runs": len(runs),
        "damaged": damaged,
        "file": answer,
        "repaired": not sound and options.repair,
    }
    if options.json:
        print(json.dumps(found))
    else:
        print(f"{len(cells)} cells and {len(runs)} runs read, {damaged} damaged; file: {answer}")
        if not sound and not options.repair:
            say("damaged cells are measured again when needed; bench store check --repair removes them")
    return 0 if sound or options.repair else 1


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count < 1e9 else f"{count / 1e9:.2f} GB"
