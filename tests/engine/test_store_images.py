"""What tables count is read and checked without the kept images; these are read and checked where they are shown."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from bench.engine import store_rows
from bench.engine.records import Record, Stored, encode
from bench.engine.result import CellResult
from bench.engine.store import FILE, DirectoryStore
from tests.engine.test_run import FGSM, World
from tests.toys import attack_cell

SHAPE = (16, 3, 8, 8)


def stored() -> Stored:
    rng = np.random.default_rng(0)
    arrays = {
        "image": rng.random(SHAPE).astype(np.float32),
        "standing": rng.random(20) < 0.5,
        "distance": rng.random(20),
    }
    result = CellResult(arrays=arrays, seconds=1.0, gradients=7)
    return Stored(cell=attack_cell(), result=result, provenance={"device": "cpu"})


def damaged(path: Path, column: str, place: int) -> DirectoryStore:
    """A store whose only cell has one flipped bit."""
    store = DirectoryStore(path)
    store.put(stored())
    with closing(sqlite3.connect(path / FILE, isolation_level=None)) as other:
        (content,) = other.execute(f"SELECT {column} FROM cells").fetchone()
        changed = bytearray(content)
        changed[place] ^= 4
        other.execute(f"UPDATE cells SET {column} = ?", (bytes(changed),))
    return store


def test_everything_but_the_images_comes_back(tmp_path: Path) -> None:
    store, one = DirectoryStore(tmp_path), stored()
    store.put(one)
    found = store.get(one.cell.key, images=False)
    assert found is not None
    assert (found.cell, found.result.digest, found.result.gradients) == (one.cell, one.result.digest, 7)
    assert sorted(found.result.arrays) == ["distance", "standing"]
    for name, array in found.result.arrays.items():
        assert np.array_equal(array, one.result.arrays[name])


def test_the_bytes_of_the_images_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    decode = store_rows.decode_without_images
    monkeypatch.setattr(
        store_rows,
        "decode_without_images",
        lambda description, seal, read, key: decode(
            description, seal, lambda n: sizes.append(n) or read(n), key
        ),
    )
    store = DirectoryStore(tmp_path)
    store.put(stored())
    assert store.get(stored().cell.key, images=False)
    assert sizes == [64 + 192]  # 20 bool, 20 float64, each from a multiple of 64 bytes on
    assert len(encode(stored()).arrays) == 256 + 4 * np.prod(SHAPE)


@pytest.mark.parametrize(
    ("column", "place"), [("description", 40), ("seal", 3), ("arrays", 0), ("arrays", 70)]
)
def test_damage_is_found_without_the_images(column: str, place: int, tmp_path: Path) -> None:
    store = damaged(tmp_path, column, place)
    assert store.get(stored().cell.key, images=False) is None
    assert store.get(stored().cell.key) is None


@pytest.mark.parametrize("place", [256, 5000, -1])
def test_a_damaged_image_is_found_where_it_is_read(place: int, tmp_path: Path) -> None:
    store = damaged(tmp_path, "arrays", place)
    found = store.get(stored().cell.key, images=False)
    assert found is not None
    assert np.array_equal(found.result.arrays["standing"], stored().result.arrays["standing"])
    assert store.get(stored().cell.key) is None


def test_a_record_of_a_version_before_is_read_whole(tmp_path: Path) -> None:
    """It has its arrays in another order and no digest of the front."""
    store, one = DirectoryStore(tmp_path), stored()
    record = encode(one)
    fields = json.loads(record.description)
    del fields["front"]
    fields["arrays"] = [fields["arrays"][2], *fields["arrays"][:2]]
    text = json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
    before = Record(text, sha256(text).digest(), record.arrays[256:] + record.arrays[:256])
    store.put(one)
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as other:
        other.execute(
            "UPDATE cells SET description = ?, seal = ?, arrays = ?",
            (before.description, before.seal, before.arrays),
        )
    for images in (True, False):
        found = store.get(one.cell.key, images=images)
        assert found is not None
        assert found.result.digest == one.result.digest
        assert np.array_equal(found.result.arrays["image"], one.result.arrays["image"])


def test_a_gallery_shows_the_stored_pixels_and_leaves_out_damaged_ones(tmp_path: Path) -> None:
    """The next run measures a damaged cell again."""
    world = World(n=50)
    world.store = DirectoryStore(tmp_path)  # pyright: ignore[reportAttributeAccessIssue]

    def samples() -> list[np.ndarray]:
        return [sample.attacked for sample in world.results(FGSM)[0].models[0].samples]

    world.run(FGSM)
    whole = samples()
    assert len(whole) == 4
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as other:
        for key, content in other.execute("SELECT key, arrays FROM cells WHERE kind = 'attack'").fetchall():
            changed = content[:-1] + bytes([content[-1] ^ 1])
            other.execute("UPDATE cells SET arrays = ? WHERE key = ?", (changed, key))
    assert samples() == []
    world.run(FGSM)
    assert all(np.array_equal(a, b) for a, b in zip(samples(), whole, strict=True))
