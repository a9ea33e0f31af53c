"""Reading a store: one SQLite file against the folder of ``.npz`` files that symbench wrote before schema 2.

Cells are those of an attack on 100 CIFAR-10 images: eight arrays of 100 values and 16 kept images. (A) 1,000 cells
read from ``.npz`` files as schema 1 did; (B) the same cells read from the store, each checked by its digest; (C) what
tables and figures read of them: all arrays but the images, checked too.
With ``--large N``: a store of N cells is opened, and the cells of a page of 18 models (18 × 4 ε × 2 attacks × 10
shards) are read from it.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.engine import database
from bench.engine.cell import Cell, canonical_json
from bench.engine.result import CellResult
from bench.engine.store import DirectoryStore, Stored

PAGE = 18 * 4 * 2 * 10


def main() -> None:
    """Prints both times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--large", type=int, metavar="N")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        compare(Path(folder), options.cells)
        if options.large:
            large(Path(folder) / "large", options.large)


def compare(folder: Path, count: int) -> None:
    """Writes the same cells in both ways and reads them."""
    store = DirectoryStore(folder / "store")
    cells = [stored(i) for i in range(count)]
    for each in cells:
        store.put(each)
        write_npz(folder, each)
    store.close()
    keys = [each.cell.key for each in cells]
    del cells
    before = seconds(lambda key: read_npz(folder, key), keys)
    store = DirectoryStore(folder / "store")
    after = seconds(lambda key: digest(store.get(key)), keys)
    store = DirectoryStore(folder / "store")
    without = seconds(lambda key: digest(store.get(key, images=False)), keys)
    assert before[1] == after[1] == without[1]
    print(
        f"{count} cells: (A) .npz {before[0]:.2f} s, (B) store {after[0]:.2f} s, ratio {before[0] / after[0]:.1f}; "
        f"(C) without images {without[0]:.3f} s, ratio {before[0] / without[0]:.1f}"
    )


def seconds(read: Callable[[str], str], keys: list[str]) -> tuple[float, list[str]]:
    """The least time of three to read all keys, and the digests."""
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        digests = [read(key) for key in keys]
        times.append(time.perf_counter() - begin)
    return min(times), digests


def digest(found: Stored | None) -> str:
    """The digest of a stored cell."""
    assert found is not None
    return found.result.digest


def large(path: Path, count: int) -> None:
    """Opens a large store and reads the cells of a page from it."""
    store = DirectoryStore(path)
    for first in range(0, count, 1000):
        with database.transaction(store.connection):
            for i in range(first, min(first + 1000, count)):
                store.add(stored(i, images=0))
    store.close()
    begin = time.perf_counter()
    store = DirectoryStore(path)
    opened = time.perf_counter()
    step = max(1, count // PAGE)
    found = sum(
        store.get(cell(i).key, images=False) is not None for i in range(0, min(count, step * PAGE), step)
    )
    done = time.perf_counter()
    print(
        f"{count} cells: opened in {opened - begin:.3f} s; {found} cells of a page read in {done - opened:.2f} s"
    )


def cell(seed: int) -> Cell:
    """A cell of its own for every seed."""
    return Cell(
        kind="attack", model=f"net{seed % 18}", weights="0" * 64, dataset="cifar10", data="0" * 64,
        first=100 * seed, count=100, attack="pgd", library="torchattacks==3.5.1",
        params=(("alpha", None), ("restarts", 1), ("steps", 20)), norm="linf", eps=8 / 255, seed=0,
        protocol="sound/1", backend="cpu torch 2", parent=f"{'0' * 64}:{'0' * 64}",
    )  # fmt: skip


def stored(seed: int, images: int = 16) -> Stored:
    """A result of the usual size."""
    rng = np.random.default_rng(seed)
    arrays = {
        "standing": rng.random(100) < 0.5,
        "attacked": rng.random(100) < 0.5,
        "distance": rng.random(100),
        "predicted": rng.integers(0, 10, 100),
        "margin": rng.random(100, dtype=np.float32),
        "loss": rng.random(100, dtype=np.float32),
        "nonfinite": np.zeros(100, dtype=bool),
        "projected": np.zeros(100, dtype=bool),
        "image": rng.random((images, 3, 32, 32), dtype=np.float32),
        "image_index": np.arange(images),
    }
    result = CellResult(arrays=arrays, seconds=1.0, gradients=2000)
    return Stored(cell=cell(seed), result=result, provenance={"device": "cpu", "torch": "2"})


def write_npz(folder: Path, each: Stored) -> None:
    """As schema 1 wrote a cell."""
    file = folder / "cells" / each.cell.key[:2] / f"{each.cell.key}.npz"
    file.parent.mkdir(parents=True, exist_ok=True)
    meta = {"cell": each.cell.params, "seconds": 1.0, "gradients": 2000, "provenance": each.provenance}
    header = np.frombuffer(canonical_json(meta).encode(), dtype=np.uint8)
    np.savez(file, __meta__=header, **each.result.arrays)  # pyright: ignore[reportArgumentType]


def read_npz(folder: Path, key: str) -> str:
    """As schema 1 read a cell; the digest of its arrays, which the cell after it needs."""
    content = (folder / "cells" / key[:2] / f"{key}.npz").read_bytes()
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        meta = json.loads(file["__meta__"].tobytes())
        arrays = {name: file[name] for name in file.files if name != "__meta__"}
    return CellResult(arrays=arrays, seconds=meta["seconds"], gradients=meta["gradients"]).digest


if __name__ == "__main__":
    main()
