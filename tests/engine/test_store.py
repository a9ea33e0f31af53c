"""A result is whole or absent, and comes back as it was."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.engine import database
from bench.engine.records import Record, Stored, decode, encode
from bench.engine.result import CellResult
from bench.engine.store import FILE, SCHEMA, DirectoryStore, MemoryStore, Store, read_runs, store_at
from bench.errors import UsageError
from tests.stores import cell_ids, write_old
from tests.toys import attack_cell
from zoo import notes


def stored(seed: int = 0) -> Stored:
    rng = np.random.default_rng(seed)
    arrays = {
        "standing": rng.random(5) < 0.5,
        "distance": np.array([0.1, np.nan, np.inf, 0.0, -0.0]),
        "image": rng.random((2, 1, 4, 4)).astype(np.float32),
        "none": np.zeros((0, 3), dtype=np.int64),
        "one": np.array(seed),
    }
    result = CellResult(arrays=arrays, seconds=1.5, gradients=10)
    return Stored(cell=attack_cell(seed=seed), result=result, provenance={"device": "cpu"})


def whole(path: Path, cells: int = 3) -> DirectoryStore:
    store = DirectoryStore(path)
    for seed in range(cells):
        store.put(stored(seed))
    store.put_run({"kind": "attacks", "command": "bench run"})
    return store


@pytest.fixture(autouse=True)
def _said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "_said", {})


# what goes in comes out


def test_round_trip_is_exact() -> None:
    one = stored()
    two = decode(encode(one), one.cell.key)
    assert two.cell == one.cell
    assert two.result.digest == one.result.digest
    assert (two.result.seconds, two.result.gradients, two.provenance) == (1.5, 10, {"device": "cpu"})
    for name, array in one.result.arrays.items():
        found = two.result.arrays[name]
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        assert found.flags.writeable
        assert found.flags.aligned


def test_the_digest_sees_every_bit_and_no_time() -> None:
    one = stored().result
    assert CellResult(arrays=one.arrays, seconds=9.0, gradients=1).digest == one.digest
    for name in ("standing", "distance", "image", "one"):
        changed = {key: value.copy() for key, value in one.arrays.items()}
        changed[name].reshape(-1).view(np.uint8)[0] ^= 1
        assert CellResult(arrays=changed, seconds=1.5, gradients=10).digest != one.digest


def test_arrays_of_objects_are_not_stored() -> None:
    one = stored()
    one.result.arrays["evil"] = np.array([object()], dtype=object)
    with pytest.raises(ValueError, match="arrays of object are not stored"):
        encode(one)


@pytest.mark.parametrize("kind", ["memory", "directory"])
def test_absent_then_whole(kind: str, tmp_path: Path) -> None:
    store: Store = MemoryStore() if kind == "memory" else DirectoryStore(tmp_path / "s")
    one = stored()
    assert store.get(one.cell.key) is None
    store.put(one)
    found = store.get(one.cell.key)
    assert found is not None
    assert found.result.digest == one.result.digest


@pytest.mark.parametrize("kind", ["memory", "directory"])
def test_runs_come_back_oldest_first_and_each_once(kind: str, tmp_path: Path) -> None:
    store: Store = MemoryStore() if kind == "memory" else DirectoryStore(tmp_path)
    for name in ("a", "b", "a"):
        store.put_run({"name": name})
    assert [run["name"] for run in store.runs()] == ["b", "a"]


def test_two_processes_may_write_and_read(tmp_path: Path) -> None:
    first, second = DirectoryStore(tmp_path), DirectoryStore(tmp_path)
    first.put(stored(1))
    second.put(stored(2))
    assert first.get(stored(2).cell.key)
    assert second.get(stored(1).cell.key)


def test_where_there_is_no_store_none_is_made(tmp_path: Path) -> None:
    assert isinstance(store_at(tmp_path), MemoryStore)
    assert list(tmp_path.iterdir()) == []
    DirectoryStore(tmp_path)
    assert isinstance(store_at(tmp_path), DirectoryStore)


# refusals


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    DirectoryStore(tmp_path)
    (tmp_path / "schema").write_text(f"{SCHEMA + 1}\n")
    with pytest.raises(UsageError, match="update symbench or give another --store"):
        DirectoryStore(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"1e9", "²".encode(), b"-1", bytes(9999)])
def test_a_marker_that_is_no_number_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "schema").write_bytes(content)
    with pytest.raises(UsageError, match="has schema"):
        DirectoryStore(tmp_path)


def test_a_store_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write to the store"):
        DirectoryStore(tmp_path / "file")


def test_a_store_that_cannot_be_locked_is_refused_when_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole(tmp_path)
    monkeypatch.setattr(database, "WAIT", 0.1)
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(UsageError, match="database is locked; give another --store DIR"):
            DirectoryStore(tmp_path)


def test_a_store_deleted_during_a_run_is_said_with_what_is_lost(tmp_path: Path) -> None:
    store = whole(tmp_path / "s")
    shutil.rmtree(tmp_path / "s")
    with pytest.raises(UsageError, match="was deleted or replaced during the run; 3 cells"):
        store.put(stored(7))


# damage


def every_bit(content: bytes) -> list[bytes]:
    bits = range(8 * len(content))
    return [bytes((*content[: b // 8], content[b // 8] ^ (1 << b % 8), *content[b // 8 + 1 :])) for b in bits]


@pytest.mark.parametrize("field", ["description", "seal", "arrays"])
def test_no_flipped_bit_is_believed(field: str) -> None:
    """All bits of a description and a seal; of the arrays all but those between two of them, which hold nothing."""
    one = stored()
    record = encode(one)
    parts = {name: getattr(record, name) for name in ("description", "seal", "arrays")}
    for damaged in every_bit(parts[field]):
        try:
            found = decode(Record(**{**parts, field: damaged}), one.cell.key)
        except ValueError:
            continue
        assert field == "arrays"
        assert found.result.digest == one.result.digest


def test_a_record_in_anothers_place_is_absent(tmp_path: Path) -> None:
    store = whole(tmp_path, 2)
    first, second = stored(0).cell.key, stored(1).cell.key
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as other:
        other.execute("UPDATE cells SET key = 'x' WHERE key = ?", (first,))
        other.execute("UPDATE cells SET key = ? WHERE key = ?", (first, second))
    assert store.get(first) is None
    assert store.get(second) is None


@pytest.mark.parametrize("value", [None, 7, 0.5, "text", b""])
@pytest.mark.parametrize("column", ["description", "seal", "arrays"])
def test_a_value_of_another_kind_is_absent(column: str, value: Any, tmp_path: Path) -> None:
    store = whole(tmp_path, 1)
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as other:
        other.execute(f"UPDATE cells SET {column} = ?", (value,))
    assert store.get(stored(0).cell.key) is None
    assert list(store.cells()) == [None]


def flips(content: bytes, count: int, seed: int) -> list[bytes]:
    """Copies of a file with one bit flipped, at random places."""
    draw, found = random.Random(seed), []
    for _ in range(count):
        copy, bit = bytearray(content), draw.randrange(8 * len(content))
        copy[bit // 8] ^= 1 << bit % 8
        found.append(bytes(copy))
    return found


@pytest.fixture
def quick_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: on a disk SQLite waits for every file that it closes."""
    memory = Path("/dev/shm")
    if not (memory.is_dir() and os.access(memory, os.W_OK)):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def survives(path: Path, content: bytes, cells: Sequence[Stored]) -> int:
    """Opens a damaged store, reads all and writes all again; how many cells were lost before."""
    (path / FILE).write_bytes(content)
    store = DirectoryStore(path)
    lost = 0
    for one in cells:
        found = store.get(one.cell.key)
        lost += found is None
        assert found is None or found.result.digest == one.result.digest
    assert all(run["command"] == "bench run" for run in store.runs())
    for one in cells:
        store.put(one)
        found = store.get(one.cell.key)
        assert found is not None
    store.close()
    for file in path.glob(f"{FILE}*"):
        file.unlink()
    return lost


def lost_by_flips(path: Path, count: int, seed: int) -> float:
    """How many cells of 12 one flipped bit loses on average."""
    cells = [stored(place) for place in range(12)]
    whole(path, len(cells)).close()
    content = (path / FILE).read_bytes()
    return sum(survives(path, damaged, cells) for damaged in flips(content, count, seed)) / count


def test_a_flipped_bit_in_the_file_is_never_read_and_never_a_traceback(quick_path: Path) -> None:
    assert lost_by_flips(quick_path / "s", 60, seed=1) < 2


@pytest.mark.slow
def test_none_of_10_000_flipped_bits_is_read_or_a_traceback(quick_path: Path) -> None:
    """In a process of its own: there no types are checked at every call, which takes twice as long as the store."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(lost_by_flips, quick_path / "s", 10_000, seed=2).result() < 2


@pytest.mark.parametrize("place", [slice(0, 100), slice(100, 4096), slice(0, 4096)])
def test_a_file_without_a_sound_first_page_keeps_its_cells(place: slice, tmp_path: Path) -> None:
    whole(tmp_path, 12).close()
    content = bytearray((tmp_path / FILE).read_bytes())
    content[place] = bytes(place.stop - place.start)
    (tmp_path / FILE).write_bytes(content)
    store = DirectoryStore(tmp_path)
    assert sum(store.get(stored(seed).cell.key) is not None for seed in range(12)) == 12
    assert (tmp_path / f"{FILE}.damaged-1").exists()


@pytest.mark.parametrize("keep", [0, 1, 100, 5000, 20_000])
def test_a_cut_off_file_is_a_store_with_what_is_left(keep: int, tmp_path: Path) -> None:
    whole(tmp_path, 12).close()
    (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:keep])
    store = DirectoryStore(tmp_path)
    for seed in range(12):
        store.put(stored(seed))
        assert store.get(stored(seed).cell.key) is not None


def test_a_file_of_something_else_is_kept_beside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / FILE).write_text("my diary\n" * 1000)
    DirectoryStore(tmp_path).put(stored())
    assert (tmp_path / f"{FILE}.damaged-1").stat().st_size > 0
    assert f"{FILE}.damaged-1" in capsys.readouterr().err


# stores of schema 1


def test_an_older_store_is_carried_over_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells, runs = [stored(seed) for seed in range(3)], [{"kind": "attacks", "command": "bench run"}]
    write_old(tmp_path, cells, runs)
    store = DirectoryStore(tmp_path)
    assert "3 cells and 1 runs of an older store are carried over" in capsys.readouterr().err
    for one in cells:
        found = store.get(one.cell.key)
        assert found is not None
        assert (found.cell, found.result.digest) == (one.cell, one.result.digest)
    assert list(store.runs()) == runs
    before = cell_ids(tmp_path)
    DirectoryStore(tmp_path)
    assert cell_ids(tmp_path) == before


def test_no_flipped_bit_of_an_older_cell_is_read_wrongly(tmp_path: Path) -> None:
    """A dropped entry of the directory is noticed too."""
    one = stored()
    write_old(tmp_path / "old", [one], [])
    (file,) = (tmp_path / "old" / "cells").glob("*/*.npz")
    content, kept = file.read_bytes(), 0
    from bench.engine.old_store import old_cells

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of names that occur twice
        for damaged in flips(content, 400, seed=3):
            file.write_bytes(damaged)
            (found,) = old_cells(tmp_path / "old")
            if found is not None:
                kept += 1
                assert found.cell == one.cell
                assert found.result.digest == one.result.digest
    assert kept < 160  # most bits of a zip file matter; dates and modes do not


@pytest.mark.parametrize("content", ["null", "[]", "{", "[" * 100_000, "\x00", '"text"', "7"])
def test_a_bad_run_file_of_an_older_store_is_left_out(content: str, tmp_path: Path) -> None:
    write_old(tmp_path, [stored()], [{"command": "good"}])
    (tmp_path / "runs" / "bad.json").write_text(content)
    (tmp_path / "runs" / "folder.json").mkdir()
    (tmp_path / "cells" / "aa").mkdir(exist_ok=True)
    (tmp_path / "cells" / "aa" / "folder.npz").mkdir()
    assert [run["command"] for run in DirectoryStore(tmp_path).runs()] == ["good"]


# runs of other versions


def test_a_run_that_cannot_be_read_is_named_and_kept(capsys: pytest.CaptureFixture[str]) -> None:
    store = MemoryStore()
    for run in ({"n": 1, "command": "a"}, {"m": 2, "command": "of a newer version"}, {"n": 3}):
        store.put_run({"kind": "attacks", **run})
    assert list(read_runs(store, "attacks", lambda run: run["n"])) == [1, 3]
    assert (
        "(of a newer version) cannot be read (KeyError: 'n'); it is left out and kept"
        in capsys.readouterr().err
    )
    assert len(list(store.runs())) == 3
