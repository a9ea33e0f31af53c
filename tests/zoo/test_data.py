"""zoo.data: the images, their order, and the messages when they are missing."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from zoo import data, folders
from zoo.data import DataError

# Pinned: a change of these changes what every stored result and every shipped weight was made of.
DIGITS = {
    "train": "ca27c9a4f562bc53af5146dff8bc5dac447f591193b11e5845269278a35e041a",
    "test": "c8bfac9c245088b7ea972b06d12c8ad9b48371fc0a4151f0ac9810cd89f920a7",
}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """12 training and 6 test images, 16×16, in 3 classes."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 4), ("test", 2)):
        for kind in ("ant", "bee", "cow"):
            for number in range(count):
                save(tmp_path / "pets" / split / kind / f"{number}.png", rng.integers(0, 256, (16, 16, 3)))
    return tmp_path / "pets"


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def cached(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache" / "symbench").glob("*"))


# digits


def test_digits_are_all_the_scans_once() -> None:
    from sklearn.datasets import load_digits

    train, test = data.load("digits", "train"), data.load("digits", "test")
    assert (len(train), len(test)) == (1437, 360)
    both = np.concatenate([train.pixels, test.pixels])
    assert (both[:, :, ::2, ::2] == both[:, :, 1::2, 1::2]).all()
    ours = sorted(
        (scan.tobytes(), label) for scan, label in zip(both[:, 0, ::2, ::2], _labels(), strict=True)
    )
    scans = load_digits()
    theirs = zip(scans.images.astype(np.uint8), scans.target, strict=True)
    assert ours == sorted((scan.tobytes(), label) for scan, label in theirs)


def _labels() -> np.ndarray:
    return np.concatenate([data.load("digits", split).labels for split in ("train", "test")])


@pytest.mark.parametrize("split", ["train", "test"])
def test_digits_are_pinned(split: str) -> None:
    digits = data.load("digits", split)
    assert digits.sha256 == DIGITS[split]
    assert (digits.name, digits.split, digits.channels, digits.size, digits.levels) == (
        "digits",
        split,
        1,
        16,
        16,
    )
    assert digits.classes == tuple("0123456789")


def test_images_are_pixels_over_levels_in_order() -> None:
    digits = data.load("digits", "test")
    images = digits.images(100, 60)
    assert images.dtype == torch.float32
    assert images.shape == (60, 1, 16, 16)
    assert images.is_contiguous()
    assert (images.numpy() * 16 == digits.pixels[100:160]).all()
    assert digits.images().min() == 0
    assert digits.images().max() == 1
    assert digits.targets(100, 60).tolist() == digits.labels[100:160].tolist()


@pytest.mark.parametrize(("first", "count"), [(0, 361), (300, 61), (-1, 2), (0, -1)])
def test_images_past_the_end_are_an_error(first: int, count: int) -> None:
    with pytest.raises(DataError, match="has 360: use --n 360 or less"):
        data.load("digits", "test").images(first, count)


def test_pixels_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        data.load("digits", "test").pixels[0] = 0


# the order


@given(st.lists(st.integers(0, 7), min_size=1, max_size=300))
def test_every_prefix_holds_each_class_in_proportion(labels: list[int]) -> None:
    array = np.array(labels)
    places = data.order(array)
    assert sorted(places) == list(range(len(labels)))
    for kind in set(labels):
        held = np.cumsum(array[places] == kind)
        share = np.arange(1, len(labels) + 1) * (array == kind).mean()
        assert np.abs(held - share).max() < 1


def test_order_follows_sha256_within_a_class() -> None:
    digests = [hashlib.sha256(str(index).encode()).hexdigest() for index in range(50)]
    assert data.order(np.zeros(50, int)).tolist() == sorted(range(50), key=digests.__getitem__)


# folders


def test_folder_holds_every_file_once_in_a_fixed_order(photos: Path) -> None:
    test = data.load(f"folder:{photos}", "test")
    assert (test.name, test.classes, test.levels) == ("pets", ("ant", "bee", "cow"), 255)
    assert test.pixels.shape == (6, 3, 16, 16)
    expected = {}
    for label, kind in enumerate(test.classes):
        for file in (photos / "test" / kind).iterdir():
            expected[np.asarray(Image.open(file)).transpose(2, 0, 1).tobytes()] = label
    assert {image.tobytes(): label for image, label in zip(test.pixels, test.labels, strict=True)} == expected
    assert data.load(f"folder:{photos}", "test", name="mine").sha256 == test.sha256


def test_folder_decodes_one_split_only_and_once(photos: Path, tmp_path: Path, monkeypatch) -> None:
    (photos / "train" / "ant" / "0.png").write_bytes(b"nothing")
    first = data.load(f"folder:{photos}", "test")
    assert len(cached(tmp_path)) == 1
    monkeypatch.setattr(folders, "_decode", None)
    assert data.load(f"folder:{photos}", "test").sha256 == first.sha256


@pytest.mark.parametrize("damage", [b"", b"PK nothing", None])
def test_damaged_cache_is_built_anew(photos: Path, tmp_path: Path, damage: bytes | None) -> None:
    first = data.load(f"folder:{photos}", "test")
    (cache,) = cached(tmp_path)
    content = cache.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    cache.write_bytes(flipped if damage is None else damage)
    assert data.load(f"folder:{photos}", "test").sha256 == first.sha256
    assert cache.read_bytes() == content


def test_changed_file_is_read_again(photos: Path) -> None:
    first = data.load(f"folder:{photos}", "test")
    save(photos / "test" / "ant" / "0.png", np.zeros((16, 16, 3)))
    assert data.load(f"folder:{photos}", "test").sha256 != first.sha256


def test_unwritable_cache_is_no_error(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the directory should be")
    assert len(data.load(f"folder:{photos}", "test")) == 6


def test_grey_files_have_one_channel_unless_mixed(photos: Path) -> None:
    for file in photos.rglob("*.png"):
        save(file, np.asarray(Image.open(file))[:, :, 0])
    grey = data.load(f"folder:{photos}", "test")
    assert grey.channels == 1
    save(photos / "test" / "cow" / "1.png", np.full((16, 16, 3), (9, 8, 7)))
    mixed = data.load(f"folder:{photos}", "test")
    assert mixed.channels == 3
    assert (mixed.pixels[:, 0] == mixed.pixels[:, 2]).all(axis=(1, 2)).sum() == 5


def test_resize_makes_sizes_equal(photos: Path) -> None:
    save(photos / "test" / "bee" / "1.png", np.full((20, 40, 3), 77))
    resized = data.load(f"folder:{photos}", "test", resize=24)
    assert resized.pixels.shape == (6, 3, 24, 24)
    assert (resized.pixels == 77).all(axis=(1, 2, 3)).sum() == 1


def test_odd_size_names_the_file(photos: Path) -> None:
    save(photos / "test" / "bee" / "1.png", np.zeros((16, 24, 3)))
    with pytest.raises(
        DataError, match=r"bee/1.png is 24×16 pixels, not 16×16 like the first: use --resize N"
    ):
        data.load(f"folder:{photos}", "test")


@pytest.mark.parametrize("shape", [(7, 8, 3), (20, 6, 3)])
def test_unfit_first_size_names_the_first_file(photos: Path, shape: tuple[int, ...]) -> None:
    for file in (photos / "test").rglob("*.png"):
        save(file, np.zeros(shape))
    with pytest.raises(DataError, match=r"ant/0.png is .* not 8 or more along each side: use"):
        data.load(f"folder:{photos}", "test")


@pytest.mark.parametrize("content", [b"", b"not an image", "half"])
def test_broken_image_is_named(photos: Path, content: bytes | str) -> None:
    file = photos / "test" / "cow" / "0.png"
    file.write_bytes(file.read_bytes()[:400] if isinstance(content, str) else content)
    with pytest.raises(DataError, match=r"cow/0.png cannot be read as an image"):
        data.load(f"folder:{photos}", "test")


def test_missing_and_empty_folders_are_named(photos: Path) -> None:
    with pytest.raises(
        DataError, match=r"nowhere/test is missing: an image folder holds test/CLASS/ or val/CLASS/"
    ):
        data.load(f"folder:{photos / 'nowhere'}", "test")
    (photos / "test" / "dog").mkdir()
    with pytest.raises(DataError, match=r"class 'dog' of .*pets is in test/ only"):
        data.load(f"folder:{photos}", "test")
    (photos / "train" / "dog").mkdir()
    with pytest.raises(DataError, match=r"pets/test/dog holds no images"):
        data.load(f"folder:{photos}", "test")
    (photos / "empty" / "val").mkdir(parents=True)
    with pytest.raises(DataError, match=r"empty/val holds no class folders"):
        data.load(f"folder:{photos / 'empty'}", "test")
    with pytest.raises(DataError, match=r"empty/train is missing: .* train/CLASS/ to train on"):
        data.load(f"folder:{photos / 'empty'}", "train")


# names and other sets


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("digit", "did you mean digits"),
        ("cifar", "did you mean cifar10 or cifar100"),
        ("mnist", "did you mean torchvision:MNIST"),
        ("torchvision/SVHN", "torchvision:SVHN"),
        ("ImageNet", "did you mean imagenet:DIR"),
        ("digits:3", "unknown data set 'digits:3'"),
        (
            "nonsense",
            "known are digits, cifar10, cifar100, torchvision:NAME, imagenet:DIR, folder:PATH, npz:FILE",
        ),
    ],
)
def test_unknown_set_offers_the_nearest(spec: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        data.load(spec, "test")


def test_bare_folder_is_told_the_prefix(photos: Path) -> None:
    with pytest.raises(DataError, match=f"write folder:{photos}"):
        data.load(str(photos), "test")


@pytest.mark.parametrize("name", ["../up", "a b", "", ".hidden", "<b>"])
def test_name_must_be_fit_for_files_and_pages(photos: Path, name: str) -> None:
    (photos.parent / "a b").mkdir()
    with pytest.raises(DataError, match="cannot name a data set"):
        data.load(f"folder:{photos.parent / 'a b'}", "test", name=name)


@pytest.mark.parametrize("name", [*data.BUILT_IN, "cifar10c"])
def test_a_folder_takes_no_name_of_another_set(photos: Path, name: str) -> None:
    photos.rename(photos.parent / name)
    for called in (None, name):
        with pytest.raises(DataError, match=f"^{name} is the name of a built-in data set.*--name"):
            data.load(f"folder:{photos.parent / name}", "test", name=called)
    assert data.load(f"folder:{photos.parent / name}", "test", name="cifar10-copy").name == "cifar10-copy"


@pytest.mark.parametrize("spec", [*data.BUILT_IN, "cifar10c", "cifar10c:fog", "corrupted:digits"])
def test_only_a_folder_is_named(spec: str) -> None:
    with pytest.raises(DataError, match="--name is for folder:, npz:, imagenet: and hf: images"):
        data.load(spec, "test", name="mine")


def test_other_wrong_arguments() -> None:
    with pytest.raises(DataError, match="unknown data set 'digitz': did you mean digits"):
        data.load("digitz", "test", name="mine")
    with pytest.raises(DataError, match="unknown split 'val'"):
        data.load("digits", "val")
    with pytest.raises(DataError, match="--resize is for image folders"):
        data.load("digits", "test", resize=32)
    with pytest.raises(DataError, match="--resize 7: the size must be 8 or more"):
        data.load("folder:.", "test", resize=7)


@pytest.mark.parametrize("spec", ["cifar10", "cifar100"])
def test_missing_cifar_names_the_options(spec: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"{spec} is not in .*: add --download .*--data-root PATH"):
        data.load(spec, "test", root=tmp_path)


def test_importing_loads_no_torch() -> None:
    code = "import sys, zoo.data; assert not {'torch', 'sklearn', 'PIL', 'torchvision'} & set(sys.modules)"
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
