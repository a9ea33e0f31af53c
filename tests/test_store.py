"""A result is whole or absent, and comes back as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.errors import UsageError
from bench.measure import CellResult
from bench.store import SCHEMA, DirectoryStore, MemoryStore, Store, Stored, decode, encode, write_atomically
from tests.toys import attack_cell


def stored(seed: int = 0) -> Stored:
    rng = np.random.default_rng(seed)
    arrays = {
        "standing": rng.random(5) < 0.5,
        "distance": np.array([0.1, np.nan, np.inf, 0.0, -0.0]),
        "image": rng.random((2, 1, 4, 4)).astype(np.float32),
    }
    result = CellResult(arrays=arrays, seconds=1.5, gradients=10)
    return Stored(cell=attack_cell(seed=seed), result=result, provenance={"device": "cpu"})


def test_round_trip_is_exact() -> None:
    one = stored()
    two = decode(encode(one))
    assert two.cell == one.cell
    assert two.result.digest == one.result.digest
    assert (two.result.seconds, two.result.gradients, two.provenance) == (1.5, 10, {"device": "cpu"})


def test_the_digest_sees_every_bit_and_no_time() -> None:
    one = stored().result
    assert CellResult(arrays=one.arrays, seconds=9.0, gradients=1).digest == one.digest
    for name in one.arrays:
        changed = {key: value.copy() for key, value in one.arrays.items()}
        changed[name].view(np.uint8).flat[0] ^= 1
        assert CellResult(arrays=changed, seconds=1.5, gradients=10).digest != one.digest


@pytest.mark.parametrize("kind", ["memory", "directory"])
def test_absent_then_whole(kind: str, tmp_path: Path) -> None:
    store: Store = MemoryStore() if kind == "memory" else DirectoryStore(tmp_path / "s")
    one = stored()
    assert store.get(one.cell.key) is None
    store.put(one)
    found = store.get(one.cell.key)
    assert found is not None
    assert found.result.digest == one.result.digest


@pytest.mark.parametrize("keep", [0, 1, 100, 400])
def test_a_damaged_file_counts_as_absent_and_is_replaced(keep: int, tmp_path: Path) -> None:
    store, one = DirectoryStore(tmp_path), stored()
    store.put(one)
    (file,) = (tmp_path / "cells").glob("*/*.npz")
    file.write_bytes(file.read_bytes()[:keep])
    assert store.get(one.cell.key) is None
    store.put(one)
    assert store.get(one.cell.key) is not None


def test_nothing_stored_is_unpickled(tmp_path: Path) -> None:
    store, one = DirectoryStore(tmp_path), stored()
    store.put(one)
    (file,) = (tmp_path / "cells").glob("*/*.npz")
    np.savez(file, evil=np.array([object()], dtype=object))
    assert store.get(one.cell.key) is None


def test_a_failed_write_leaves_the_old_file_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    DirectoryStore(tmp_path)
    (tmp_path / "schema").write_text(f"{SCHEMA + 1}\n")
    with pytest.raises(UsageError, match="update symbench or give another --store"):
        DirectoryStore(tmp_path)


def test_a_store_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write to the store"):
        DirectoryStore(tmp_path / "file")


def test_runs_come_back_oldest_first_and_each_once(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    for name in ("a", "b", "a"):
        store.put_run({"name": name})
    names = [run["name"] for run in store.runs()]
    assert sorted(names) == ["a", "b"]
    assert names[-1] == "a"
