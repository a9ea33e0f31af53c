"""zoo.cifar and zoo.arrays: one data set from two kinds of files, and no other images under its name."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zoo import cifar, data
from zoo.data import DataError

SHARED = Path(__file__).parents[3] / "shared" / "data"
WHOLE = Path(os.environ.get("SYMBENCH_DATA", Path.home() / "data")) / "cifar10.npz"
PIXELS = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3)).astype(np.uint8)
LABELS = np.arange(20) % 10


def packed(root: Path, name: str = "cifar10.npz", **arrays: np.ndarray) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    np.savez(root / name, **arrays)  # type: ignore[arg-type]
    return root / name


def unpacked(root: Path, split: str, pixels: np.ndarray, labels: np.ndarray) -> None:
    """torchvision's files of CIFAR-10: rows of 3,072 values, channel by channel."""
    from torchvision.datasets import CIFAR10

    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    files = CIFAR10.train_list if split == "train" else CIFAR10.test_list
    rows = pixels.transpose(0, 3, 1, 2).reshape(len(pixels), -1)
    for (file, _), part, kinds in zip(
        files, np.array_split(rows, len(files)), np.array_split(labels, len(files)), strict=True
    ):
        (folder / file).write_bytes(pickle.dumps({"data": part, "labels": kinds.tolist()}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list(cifar.CLASSES)}))


@pytest.fixture
def original(monkeypatch: pytest.MonkeyPatch) -> Callable[[np.ndarray, np.ndarray], None]:
    """Takes these images for the original ones, and torchvision's check of its files for passed."""

    def take(pixels: np.ndarray, labels: np.ndarray) -> None:
        found = cifar.digest(pixels.transpose(0, 3, 1, 2), labels)
        monkeypatch.setattr(cifar, "CIFAR10", {"train": found, "test": found})
        monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)

    return take


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("shape", [(20,), (20, 1)])
def test_both_roads_of_cifar10_are_one_data_set(
    split: str, shape: tuple[int, ...], tmp_path: Path, original: Callable[[np.ndarray, np.ndarray], None]
) -> None:
    original(PIXELS, LABELS)
    packed(tmp_path / "one", **{f"x_{split}": PIXELS, f"y_{split}": LABELS.reshape(shape)})
    unpacked(tmp_path / "two", split, PIXELS, LABELS)
    one, two = (data.load("cifar10", split, root=tmp_path / road) for road in ("one", "two"))
    assert one.sha256 == two.sha256
    assert (one.pixels == two.pixels).all()
    assert (one.labels == two.labels).all()
    assert one.classes == two.classes == cifar.CLASSES
    places = data.order(LABELS)
    assert (one.pixels == PIXELS.transpose(0, 3, 1, 2)[places]).all()
    assert one.labels.tolist() == LABELS[places].tolist()


def test_other_pixels_or_labels_are_refused_by_digest_and_measured_by_their_own_name(tmp_path: Path) -> None:
    file = packed(tmp_path, x_test=PIXELS, y_test=LABELS)
    found = cifar.digest(PIXELS.transpose(0, 3, 1, 2), LABELS)
    with pytest.raises(
        DataError, match=rf"sha256 {found}, not .*use --dataset npz:.*cifar10.npz --name NAME"
    ):
        data.load("cifar10", "test", root=tmp_path)
    other = data.load(f"npz:{file}", "test", name="mine")
    assert (other.name, len(other), other.classes) == ("mine", 20, tuple("0123456789"))
    with pytest.raises(DataError, match="cifar10 is the name of a built-in data set"):
        data.load(f"npz:{file}", "test")


def test_one_changed_label_is_refused(
    tmp_path: Path, original: Callable[[np.ndarray, np.ndarray], None]
) -> None:
    original(PIXELS, LABELS)
    packed(tmp_path, x_test=PIXELS, y_test=(LABELS + (np.arange(20) == 7)) % 10)
    with pytest.raises(DataError, match="does not hold the original test images and labels of cifar10"):
        data.load("cifar10", "test", root=tmp_path)


def test_grey_images_and_class_names_of_an_npz_file(tmp_path: Path) -> None:
    names = np.array(["low", "high"])
    file = packed(tmp_path, "two.npz", x_test=PIXELS[..., 0], y_test=LABELS % 2, classes=names)
    two = data.load(f"npz:{file}", "test")
    assert (two.name, two.channels, two.size, two.classes) == ("two", 1, 32, ("low", "high"))
    with pytest.raises(DataError, match=r"two.npz has no x_train: it holds x_test, y_test, classes"):
        data.load(f"npz:{file}", "train")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"x_test": PIXELS / 255, "y_test": LABELS},
            r"x_test of .* is float64 \(20, 32, 32, 3\): save uint8",
        ),
        ({"x_test": PIXELS, "y_test": LABELS / 1}, "y_test of .* is float64 .*: save 20 integers"),
        ({"x_test": PIXELS, "y_test": LABELS[:9]}, "save 20 integers, one an image"),
        ({"x_test": PIXELS[:, :7], "y_test": LABELS}, "are 32×7 with 3 channels: use some of 8 or more"),
        ({"x_test": PIXELS[..., :2], "y_test": LABELS}, "with 2 channels"),
        ({"x_test": PIXELS[:0], "y_test": LABELS[:0]}, "at least one"),
        ({"x_test": PIXELS, "y_test": LABELS - 1}, "labels from 0 to 8"),
        ({"x_test": PIXELS, "y_test": LABELS, "classes": np.array(["a"])}, "labels from 0 to 0"),
        ({"x_test": np.array([None] * 20), "y_test": LABELS}, "plain arrays"),
        ({}, "holds nothing"),
    ],
)
def test_unfit_arrays_are_named(arrays: dict[str, np.ndarray], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        data.load(f"npz:{packed(tmp_path, 'own.npz', **arrays)}", "test")


@pytest.mark.parametrize("content", [b"", b"PK nothing", b"\x80\x04N."])
def test_what_is_no_npz_file_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "own.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"own.npz cannot be read as an .npz file of plain arrays"):
        data.load(f"npz:{tmp_path / 'own.npz'}", "test")
    with pytest.raises(DataError, match=r"lost.npz is missing"):
        data.load(f"npz:{tmp_path / 'lost.npz'}", "test")
    with pytest.raises(DataError, match="for these images write npz:"):
        data.load(str(tmp_path / "own.npz"), "test")


# CIFAR-100


@pytest.fixture(scope="module")
def sample() -> dict[str, np.ndarray]:
    file = SHARED / "cifar100_exact_sample.npz"
    if not file.exists():
        pytest.skip("needs the sample of original CIFAR-100 images")
    with np.load(file, allow_pickle=False) as arrays:
        return dict(arrays)


def made_of(sample: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """10,000 images, the original ones at their places, 100 of each class."""
    pixels, labels = np.zeros((10_000, 32, 32, 3), np.uint8), np.full(10_000, -1)
    pixels[sample["index"]], labels[sample["index"]] = sample["x"], sample["y"]
    left = np.repeat(np.arange(100), 100 - np.bincount(sample["y"], minlength=100))
    labels[labels < 0] = left
    return pixels, labels


def test_cifar100_is_known_by_its_test_images(sample: dict[str, np.ndarray], tmp_path: Path) -> None:
    pixels, labels = made_of(sample)
    train = np.zeros((50_000, 32, 32, 3), np.uint8), np.repeat(np.arange(100), 500)
    packed(tmp_path, "cifar100.npz", x_test=pixels, y_test=labels, x_train=train[0], y_train=train[1])
    test = data.load("cifar100", "test", root=tmp_path)
    assert (len(test), test.classes) == (10_000, tuple(sample["classes"]))
    assert len(data.load("cifar100", "train", root=tmp_path)) == 50_000


@pytest.mark.parametrize("fault", ["pixel", "label", "short"])
def test_other_images_are_no_cifar100(fault: str, sample: dict[str, np.ndarray], tmp_path: Path) -> None:
    pixels, labels = made_of(sample)
    place = sample["index"][100]
    if fault == "pixel":
        pixels[place, 3, 3, 0] ^= 1
    elif fault == "label":
        labels[place] = (labels[place] + 1) % 100
    else:
        pixels, labels = pixels[:-1], labels[:-1]
    packed(tmp_path, "cifar100.npz", x_test=pixels, y_test=labels)
    with pytest.raises(DataError, match="does not hold the original test images and labels of cifar100"):
        data.load("cifar100", "test", root=tmp_path)


# the whole of CIFAR-10

ORDERED = {  # of the images in the order in which they are measured, as rows and weights state it
    "train": "e0f1ff9ca0c2abfd73c2cdafc170c6d649bcd588618f23ec113a99b88377de4b",
    "test": "7e150371859fef3b7e983e285ab3048165cd39d14383eb22e3170efa7ab59c9b",
}


@pytest.mark.slow
@pytest.mark.parametrize("split", ["train", "test"])
def test_the_whole_of_cifar10_by_both_roads(
    split: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not WHOLE.exists():
        pytest.skip("needs cifar10.npz in $SYMBENCH_DATA or ~/data")
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    with np.load(WHOLE, allow_pickle=False) as arrays:
        unpacked(tmp_path, split, arrays[f"x_{split}"], arrays[f"y_{split}"])
    for root in (WHOLE.parent, tmp_path):
        assert data.load("cifar10", split, root=root).sha256 == ORDERED[split]
