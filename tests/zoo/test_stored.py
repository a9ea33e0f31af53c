"""Images of a large file: the same as read into memory, without keeping them there."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo import data, stored
from zoo.data import DataError

RNG = np.random.default_rng(0)


@pytest.fixture(params=[(9, 16, 8, 3), (9, 8, 16)], ids=["colour", "grey"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    pixels = RNG.integers(0, 256, request.param, dtype=np.uint8)
    np.savez(tmp_path / "set.npz", x_test=pixels, y_test=np.arange(9) % 3)
    return tmp_path / "set.npz"


def test_images_read_from_a_file_are_those_in_memory(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = data.load(f"npz:{file}", "test")
    monkeypatch.setattr(stored, "LARGE", 0)
    found = data.load(f"npz:{file}", "test")
    assert isinstance(found.pixels, stored.StoredPixels)
    assert isinstance(memory.pixels, np.ndarray)
    assert (found.sha256, found.pixels.shape) == (memory.sha256, memory.pixels.shape)
    assert np.array_equal(found.labels, memory.labels)
    assert np.array_equal(found.pixels[:], memory.pixels)
    assert (found.images(2, 5) == memory.images(2, 5)).all()


def test_packed_images_are_unpacked_once_into_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, cache = tmp_path / "packed.npz", tmp_path / "cache" / "symbench"
    pixels = RNG.integers(0, 256, (4, 8, 8), dtype=np.uint8)
    np.savez_compressed(file, x_test=pixels, y_test=[0, 1, 0, 1])
    memory = data.load(f"npz:{file}", "test")
    monkeypatch.setattr(stored, "LARGE", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/nowhere")
    assert isinstance(data.load(f"npz:{file}", "test").pixels, np.ndarray)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent))
    capsys.readouterr()
    for said in (1, 0):
        found = data.load(f"npz:{file}", "test")
        assert capsys.readouterr().err.count("packed.npz is compressed: its images are unpacked into") == said
        assert isinstance(found.pixels, stored.StoredPixels)
        assert found.sha256 == memory.sha256
        assert np.array_equal(found.pixels[:], memory.pixels)
    (kept,) = cache.iterdir()
    kept.write_bytes(b"damaged")
    assert data.load(f"npz:{file}", "test").sha256 == memory.sha256
    content = bytearray(file.read_bytes())
    content[len(content) // 4] ^= 255
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"packed\.npz cannot be read as an \.npz file"):
        data.load(f"npz:{file}", "test")


def test_a_file_that_changes_or_is_damaged_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "LARGE", 0)
    found = data.load(f"npz:{file}", "test")
    os.utime(file, ns=(0, 0))
    with pytest.raises(DataError, match=r"set\.npz was changed while it was read: run again"):
        found.images(0, 1)
    content = bytearray(file.read_bytes())
    content[len(content) // 4] ^= 255
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"set\.npz cannot be read as an \.npz file"):
        data.load(f"npz:{file}", "test")


@pytest.mark.parametrize("modes", [("L", "L"), ("L", "RGB"), ("RGB", "RGB")], ids="-".join)
def test_a_large_folder_is_decoded_into_a_file(
    modes: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in range(8):
        mode = modes[index % 2]
        folder = tmp_path / "set" / "test" / str(index % 4)
        folder.mkdir(parents=True, exist_ok=True)
        shape = (8, 16) if mode == "L" else (8, 16, 3)
        Image.fromarray(RNG.integers(0, 256, shape, dtype=np.uint8)).save(folder / f"{index}.png")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "one"))
    memory = data.load(f"folder:{tmp_path / 'set'}", "test")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    monkeypatch.setattr(stored, "LARGE", 0)
    for _ in range(2):  # decoded, and taken from the cache
        found = data.load(f"folder:{tmp_path / 'set'}", "test")
        assert isinstance(found.pixels, stored.StoredPixels)
        assert (found.sha256, found.pixels.shape) == (memory.sha256, memory.pixels.shape)
        assert np.array_equal(found.pixels[:], memory.pixels)
    Image.fromarray(np.zeros((9, 16), np.uint8)).save(tmp_path / "set" / "test" / "3" / "odd.png")
    with pytest.raises(DataError, match=r"odd\.png is 16×9 pixels, not 16×8 like the first: use --resize N"):
        data.load(f"folder:{tmp_path / 'set'}", "test")
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/nowhere")
    assert isinstance(data.load(f"folder:{tmp_path / 'set'}", "test", resize=8).pixels, np.ndarray)


def test_many_large_images_take_little_memory(tmp_path: Path) -> None:
    """2,000 images of 224 pixels are 301 MB in the file, 1.2 GB as float32."""
    code = """
        import resource, sys, zipfile, torch, numpy as np
        from zoo import data
        with zipfile.ZipFile("set.npz", "w") as packed:
            with packed.open("x_test.npy", "w", force_zip64=True) as file:
                head = {"descr": "|u1", "fortran_order": False, "shape": (2000, 224, 224, 3)}
                np.lib.format.write_array_header_1_0(file, head)
                for _ in range(200):
                    file.write(bytes(10 * 224 * 224 * 3))
            with packed.open("y_test.npy", "w") as file:
                np.lib.format.write_array(file, np.arange(2000) % 10)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        found = data.load("npz:set.npz", "test")
        for first in range(0, 2000, 100):
            assert found.images(first, 100).shape == (100, 3, 224, 224)
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert int(done.stdout) < 200  # a hundred images as float32 are 60 MB
