"""zoo.cifar10c: the published layout of files, read as one data set."""

import os
from pathlib import Path

import numpy as np
import pytest

from zoo import cifar10c, data
from zoo.data import DataError

BASE = 12  # base images here; 10,000 in the published set


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Every pixel says where it came from: red is the corruption, green the severity, blue the base image."""
    place = tmp_path / "CIFAR-10-C"
    place.mkdir()
    for number, name in enumerate(cifar10c.NAMES):
        images = np.zeros((5 * BASE, 32, 32, 3), np.uint8)
        images[..., 0] = number
        images[..., 1] = np.repeat(np.arange(1, 6), BASE)[:, None, None]
        images[..., 2] = np.tile(np.arange(BASE), 5)[:, None, None]
        images[:, 0, 5, 0] = 255  # row 0, column 5
        np.save(place / f"{name}.npy", images)
    np.save(place / "labels.npy", np.tile(np.arange(BASE) % 10, 5).astype(np.uint8))
    return place


def test_every_image_is_where_its_corruption_severity_and_base_say(files: Path) -> None:
    test = data.load("cifar10c", "test", root=files)
    groups = test.groups
    assert groups is not None
    assert (test.name, test.levels, test.size, test.channels, len(test)) == (
        "cifar10c",
        255,
        32,
        3,
        BASE * 19 * 5,
    )
    assert (groups.names, groups.base, groups.base_sha256, groups.images) == (
        cifar10c.NAMES,
        "cifar10",
        None,
        BASE,
    )
    pixels = test.pixels[0 : len(test)]
    places = data.order(np.arange(BASE) % 10)
    assert (pixels[:, 0, 9, 9] == groups.corruption).all()
    assert (pixels[:, 1, 9, 9] == groups.severity).all()
    assert (pixels[:, 2, 9, 9] == places[groups.image]).all()
    assert (pixels[:, 0, 0, 5] == 255).all()
    assert (test.labels == places[groups.image] % 10).all()
    assert test.classes[:2] == ("airplane", "automobile")
    images = test.images(90, 12)
    assert images.is_contiguous()
    assert (images.numpy() == pixels[90:102].astype(np.float32) / np.float32(255)).all()


def test_one_corruption_and_the_directory_above(files: Path) -> None:
    test = data.load("cifar10c:brightness", "test", root=files.parent)
    assert (test.name, len(test)) == ("cifar10c-brightness", BASE * 5)
    assert (test.pixels[0:60][:, 0, 9, 9] == cifar10c.NAMES.index("brightness")).all()
    for name in cifar10c.NAMES:
        if name != "brightness":
            (files / f"{name}.npy").unlink()
    assert data.load("cifar10c:brightness", "test", root=files).sha256 == test.sha256
    with pytest.raises(DataError, match=r"gaussian_noise.npy is missing: unpack CIFAR-10-C .* --data-root"):
        data.load("cifar10c", "test", root=files)


def test_nothing_is_loaded_whole(files: Path) -> None:
    (opened,) = cifar10c.open_files(files, ("fog",), BASE)
    assert isinstance(opened, np.memmap)


def test_the_digest_is_of_the_files(files: Path) -> None:
    first = data.load("cifar10c:fog", "test", root=files).sha256
    assert data.load("cifar10c:fog", "test", root=files).sha256 == first
    assert data.load("cifar10c:frost", "test", root=files).sha256 != first
    images = np.load(files / "fog.npy")
    images[0, 0, 0, 0] ^= 1
    np.save(files / "fog.npy", images)
    os.utime(files / "fog.npy", (1, 1))
    changed = data.load("cifar10c:fog", "test", root=files).sha256
    assert changed != first
    images[0, 0, 0, 0] ^= 1
    np.save(files / "fog.npy", images)
    os.utime(files / "fog.npy", (2, 2))
    assert data.load("cifar10c:fog", "test", root=files).sha256 == first


def test_the_digest_is_kept_but_a_damaged_note_is_not_believed(files: Path, tmp_path: Path) -> None:
    first = data.load("cifar10c:fog", "test", root=files).sha256
    (note,) = (tmp_path / "cache" / "symbench").iterdir()
    note.write_text(first[:-1])
    assert data.load("cifar10c:fog", "test", root=files).sha256 == first
    assert note.read_text() == first


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("fog.npy", np.zeros((60, 32, 32, 3), np.float32), "fog.npy holds float32 of shape"),
        ("fog.npy", np.zeros((59, 32, 32, 3), np.uint8), r"not uint8 of \(60, 32, 32, 3\)"),
        ("fog.npy", np.zeros((60, 3, 32, 32), np.uint8), r"shape \(60, 3, 32, 32\)"),
        ("fog.npy", b"nothing", "fog.npy is damaged"),
        ("fog.npy", b"", "fog.npy is damaged"),
        ("fog.npy", "half", "fog.npy is damaged"),
        ("labels.npy", np.arange(60, dtype=np.uint8) % 7, "5 times the same labels"),
        ("labels.npy", np.zeros(59, np.uint8), "5 times the same labels"),
        ("labels.npy", np.full(60, 10, np.uint8), "5 times the same labels"),
        ("labels.npy", np.zeros((60, 1), np.uint8), "5 times the same labels"),
        ("labels.npy", np.zeros(0, np.uint8), "5 times the same labels"),
        ("labels.npy", np.zeros(60, np.float32), "5 times the same labels"),
    ],
)
def test_damage_is_named(files: Path, file: str, content: object, message: str) -> None:
    if isinstance(content, np.ndarray):
        np.save(files / file, content)
    else:
        whole = (files / file).read_bytes()
        (files / file).write_bytes(content if isinstance(content, bytes) else whole[: len(whole) // 2])
    with pytest.raises(DataError, match=message):
        data.load("cifar10c:fog", "test", root=files)


def test_missing_files_and_unknown_corruptions(tmp_path: Path, files: Path) -> None:
    with pytest.raises(DataError, match=r"CIFAR-10-C is not in .*nowhere: unpack"):
        data.load("cifar10c", "test", root=tmp_path / "nowhere")
    with pytest.raises(DataError, match="'fogg' of CIFAR-10-C: did you mean fog"):
        data.load("cifar10c:fogg", "test", root=files)
    with pytest.raises(DataError, match="train on plain ones"):
        data.load("cifar10c", "train", root=files)
