"""zoo.data: the sets of the field, read from files in the formats that their authors publish."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image
from torchvision import datasets
from torchvision.transforms import v2

from zoo import data, imagenet, torchvision_sets
from zoo.data import DataError
from zoo.grouped import LazyPixels

RNG = np.random.default_rng(0)
LABELS = np.arange(12) % 4


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(
        "torchvision.datasets.utils.download_url", lambda *_, **__: pytest.fail("it was fetched")
    )


def mnist(root: Path, name: str = "MNIST") -> np.ndarray:
    """The four files of MNIST (LeCun 1998): big-endian sizes, then bytes."""
    pixels = RNG.integers(0, 256, (12, 28, 28), dtype=np.uint8)
    raw = root / name / "raw"
    raw.mkdir(parents=True)
    for word in ("train", "t10k"):
        (raw / f"{word}-images-idx3-ubyte").write_bytes(
            struct.pack(">4i", 2051, 12, 28, 28) + pixels.tobytes()
        )
        (raw / f"{word}-labels-idx1-ubyte").write_bytes(
            struct.pack(">2i", 2049, 12) + LABELS.astype(np.uint8).tobytes()
        )
    return pixels[:, None]


def fashion(root: Path) -> np.ndarray:
    return mnist(root, "FashionMNIST")


def svhn(root: Path) -> np.ndarray:
    """SVHN's .mat: height × width × channel × image, and a 10 for the digit 0."""
    from scipy.io import savemat

    pixels = RNG.integers(0, 256, (32, 32, 3, 12), dtype=np.uint8)
    for word in ("train", "test"):
        savemat(root / f"{word}_32x32.mat", {"X": pixels, "y": np.where(LABELS == 0, 10, LABELS)[:, None]})
    return pixels.transpose(3, 2, 0, 1)


def stl10(root: Path) -> np.ndarray:
    """STL-10's bytes: channel by channel, column by column, labels from 1."""
    pixels = RNG.integers(0, 256, (12, 3, 96, 96), dtype=np.uint8)
    folder = root / "stl10_binary"
    folder.mkdir()
    for word in ("train", "test"):
        (folder / f"{word}_X.bin").write_bytes(pixels.tobytes())
        (folder / f"{word}_y.bin").write_bytes((LABELS + 1).astype(np.uint8).tobytes())
    (folder / "class_names.txt").write_text("airplane\nbird\ncar\ncat\n")
    return pixels.transpose(0, 1, 3, 2)


SETS: dict[str, tuple[Callable[[Path], np.ndarray], str]] = {
    "MNIST": (mnist, "2 - two"),
    "FashionMNIST": (fashion, "Pullover"),
    "SVHN": (svhn, "2"),
    "STL10": (stl10, "car"),
}


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("name", SETS)
def test_torchvisions_files_are_read(
    name: str, split: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("svhn", "stl10"):
        monkeypatch.setattr(f"torchvision.datasets.{module}.check_integrity", lambda *_: True)
    monkeypatch.setattr(datasets.STL10, "_check_integrity", lambda _: True)
    write, second = SETS[name]
    pixels = write(tmp_path)
    found = data.load(f"torchvision:{name}", split, root=tmp_path)
    assert (found.name, found.classes[2], found.levels) == (name.lower(), second, 255)
    places = data.order(LABELS)
    assert (found.pixels[:] == pixels[places]).all()
    assert (found.labels == LABELS[places]).all()
    smaller = data.load(f"torchvision:{name}", split, root=tmp_path, resize=16)
    assert smaller.pixels.shape[1:] == (pixels.shape[1], 16, 16)


def test_what_torchvision_cannot_give_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"torchvision:MNIST cannot be read from .*: add --download .*--data-root PATH"
    ):
        data.load("torchvision:MNIST", "test", root=tmp_path)
    with pytest.raises(DataError, match="unknown set 'mnist' of torchvision: did you mean MNIST"):
        data.load("torchvision:mnist", "test", root=tmp_path)
    with pytest.raises(DataError, match="known are MNIST, FashionMNIST"):
        data.load("torchvision:VOCDetection", "test", root=tmp_path)
    with pytest.raises(DataError, match="--name is for"):
        data.load("torchvision:MNIST", "test", root=tmp_path, name="mine")
    mnist(tmp_path)
    (tmp_path / "MNIST" / "raw" / "t10k-images-idx3-ubyte").write_bytes(b"\x00\x00\x08")
    with pytest.raises(DataError, match="torchvision:MNIST cannot be read"):
        data.load("torchvision:MNIST", "test", root=tmp_path)


def test_every_name_is_a_labelled_set_of_torchvision() -> None:
    assert all(hasattr(datasets, name) for name in torchvision_sets.NAMES)


def test_a_fetch_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any, **__: Any) -> None:
        raise RuntimeError("no route")

    monkeypatch.setattr(datasets.MNIST, "download", failing)
    with pytest.raises(DataError, match=r"torchvision:MNIST could not be fetched into .*: no route"):
        data.load("torchvision:MNIST", "test", root=tmp_path, download=True)


def test_torchvisions_cifar_is_the_one_that_is_known_already(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cifar10 is not in"):
        data.load("torchvision:CIFAR10", "test", root=tmp_path)


# ImageNet


def photographs(folder: Path, names: tuple[str, ...], count: int = 2, suffix: str = ".JPEG") -> Path:
    """Pictures of several sizes, upright and not, some grey, in a folder for each class."""
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for each in range(count):
            shape = [(40, 56, 3), (64, 37, 3), (50, 50)][(number + each) % 3]
            Image.fromarray(RNG.integers(0, 256, shape, dtype=np.uint8)).save(
                folder / name / f"{each}{suffix}", "PNG"
            )
    return folder


TEN = imagenet.wnids()[3:100:10]


@pytest.mark.parametrize("inside", ["", "val", "test"])
def test_imagenets_pictures_are_cut_as_torchvision_cuts_them(inside: str, tmp_path: Path) -> None:
    place = photographs(tmp_path / "set" / inside, TEN)
    found = data.load(f"imagenet:{tmp_path / 'set'}", "test", resize=28)
    assert isinstance(found.pixels, LazyPixels)
    assert (found.name, found.pixels.shape, len(found.classes)) == ("set", (20, 3, 28, 28), 1000)
    cut = v2.Compose([v2.Resize(32), v2.CenterCrop(28)])
    expected = {}
    for name in TEN:
        for file in (place / name).iterdir():
            with Image.open(file) as image:
                expected[np.asarray(cut(image.convert("RGB"))).transpose(2, 0, 1).tobytes()] = name
    images = found.pixels[:]
    assert {
        image.tobytes(): found.classes[label] for image, label in zip(images, found.labels, strict=True)
    } == expected
    assert (found.images(3, 2).numpy() * 255 == images[3:5]).all()


def test_imagenets_classes_are_numbered_as_networks_have_them(tmp_path: Path) -> None:
    assert len(set(imagenet.wnids())) == 1000
    assert list(imagenet.wnids()) == sorted(imagenet.wnids())
    found = data.load(f"imagenet:{photographs(tmp_path / 'set', TEN)}", "test", resize=8)
    assert sorted(set(found.labels.tolist())) == list(range(3, 100, 10))
    assert found.labels[:10].tolist() != sorted(
        found.labels[:10].tolist()
    )  # every class once, not by its number
    assert len(set(found.labels[:10].tolist())) == 10
    others = photographs(tmp_path / "others", ("n00000002", "n00000001"))
    assert data.load(f"imagenet:{others}", "test", resize=8).classes == ("n00000001", "n00000002")


def test_imagenets_digest_is_of_files_size_and_classes(tmp_path: Path) -> None:
    place = photographs(tmp_path / "set", TEN)
    first = data.load(f"imagenet:{place}", "test", resize=16).sha256
    assert data.load(f"imagenet:{place}", "test", resize=16, name="other").sha256 == first
    assert data.load(f"imagenet:{place}", "test", resize=24).sha256 != first
    Image.new("RGB", (40, 40)).save(place / TEN[0] / "0.JPEG", "PNG")
    assert data.load(f"imagenet:{place}", "test", resize=16).sha256 != first


def test_only_the_pictures_asked_for_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = data.load(f"imagenet:{photographs(tmp_path / 'set', TEN)}", "test", resize=16)
    decoded: list[Path] = []
    read = imagenet.pictures.read
    monkeypatch.setattr(imagenet.pictures, "read", lambda path, cut: decoded.append(path) or read(path, cut))
    found.images(4, 3)
    found.images(5, 2)
    assert len(decoded) == 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: None, "is no directory: give imagenet:DIR"),
        (lambda p: p.mkdir(), "holds no class folders: sort the images into"),
        (
            lambda p: (p / "cats").mkdir(parents=True),
            "class folder 'cats' .* is no WordNet number .*: use folder:PATH",
        ),
        (lambda p: (p / "val" / TEN[0]).mkdir(parents=True), "holds no images"),
    ],
)
def test_what_is_no_imagenet_is_refused(make: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    make(tmp_path / "set")
    with pytest.raises(DataError, match=message):
        data.load(f"imagenet:{tmp_path / 'set'}", "test")
    with pytest.raises(DataError, match="--resize 4: the size must be 8 or more"):
        data.load(f"imagenet:{tmp_path / 'set'}", "test", resize=4)


def test_imagenet_has_images_to_train_on_where_they_are(tmp_path: Path) -> None:
    photographs(tmp_path / "set" / "val", TEN)
    with pytest.raises(DataError, match="set/train is missing"):
        data.load(f"imagenet:{tmp_path / 'set'}", "train", resize=16)
    photographs(tmp_path / "set" / "train", TEN, count=3)
    assert len(data.load(f"imagenet:{tmp_path / 'set'}", "train", resize=16)) == 30


# folders of one split, and sizes


@pytest.mark.parametrize("place", ["test", "val"])
def test_a_folder_needs_no_images_to_train_on(place: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "set" / place / name).mkdir(parents=True)
        Image.fromarray(RNG.integers(0, 256, (9, 13, 3), dtype=np.uint8)).save(
            tmp_path / "set" / place / name / "0.png"
        )
    found = data.load(f"folder:{tmp_path / 'set'}", "test")
    assert (found.pixels.shape, found.classes) == ((2, 3, 9, 13), ("a", "b"))


@pytest.mark.parametrize("shape", [(12, 28, 28), (12, 32, 48, 3), (12, 8, 31, 1)])
def test_arrays_may_have_any_height_and_width(shape: tuple[int, ...], tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, shape, dtype=np.uint8)
    np.savez(tmp_path / "set.npz", x_test=pixels, y_test=LABELS)
    found = data.load(f"npz:{tmp_path / 'set.npz'}", "test")
    expected = (pixels if pixels.ndim == 4 else pixels[..., None]).transpose(0, 3, 1, 2)[data.order(LABELS)]
    assert (found.pixels == expected).all()


# the Hugging Face hub


class Column:
    def __init__(self, names: list[str] | None = None, dtype: str = "int64") -> None:
        self.names, self.dtype = names, dtype


class Picture(Column): ...


class Label(Column): ...


class Rows(list):
    """A split: rows by number, columns by name."""

    features: ClassVar[dict[str, Column]] = {
        "id": Column(),
        "image": Picture(),
        "label": Label(["cat", "dog"]),
    }

    def __getitem__(self, key: Any) -> Any:
        return [row[key] for row in self] if isinstance(key, str) else super().__getitem__(key)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A stand-in for the package, with one set in its cache."""
    images = [Image.fromarray(RNG.integers(0, 256, (16, 24, 3), dtype=np.uint8)) for _ in range(4)]
    rows = Rows({"id": 7, "image": image, "label": number % 2} for number, image in enumerate(images))
    cached: dict[str, Any] = {"org/pets": {"train": rows, "validation": rows}}

    config = SimpleNamespace(HF_HUB_OFFLINE=False)

    def load(name: str) -> Any:
        if name not in cached:
            raise (ConnectionError if config.HF_HUB_OFFLINE else FileNotFoundError)(f"no {name}")
        return cached[name]

    package = SimpleNamespace(load_dataset=load, load_from_disk=load, Image=Picture, ClassLabel=Label)
    for name, module in (("datasets", package), ("datasets.config", config)):
        monkeypatch.setitem(sys.modules, name, module)  # type: ignore[arg-type]
    return cached


def test_a_set_of_the_hub_is_read_by_its_features(hub: dict[str, Any]) -> None:
    found = data.load("hf:org/pets", "test")
    assert (found.name, found.classes, found.pixels.shape) == ("pets", ("cat", "dog"), (4, 3, 16, 24))
    rows = hub["org/pets"]["validation"]
    assert (
        found.pixels[0] == np.asarray(rows[data.order(np.arange(4) % 2)[0]]["image"]).transpose(2, 0, 1)
    ).all()
    assert data.load("hf:org/pets:train", "test", name="mine", resize=8).pixels.shape == (4, 3, 8, 8)
    assert len(data.load("hf:org/pets", "train")) == 4


def test_what_the_hub_cannot_give_is_refused(hub: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        DataError, match=r"hf:org/cars is not in the local cache \(ConnectionError\): add --download"
    ):
        data.load("hf:org/cars", "test")
    assert not sys.modules["datasets.config"].HF_HUB_OFFLINE  # type: ignore[attr-defined]
    with pytest.raises(DataError, match="hf:org/cars cannot be read: no org/cars"):
        data.load("hf:org/cars", "test", download=True)
    with pytest.raises(DataError, match="no split extra: it has train, validation"):
        data.load("hf:org/pets:extra", "test")
    monkeypatch.setattr(Rows, "features", {"text": Column(dtype="string")})
    with pytest.raises(DataError, match="no column of images and one of labels: it has text"):
        data.load("hf:org/pets", "test")


def test_without_its_package_the_hub_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"need the package `datasets`.*pip install 'symbench\[hf\]'"):
        data.load("hf:org/pets", "test")


@pytest.mark.filterwarnings("ignore")
def test_a_set_that_the_package_saved_is_read(tmp_path: Path) -> None:
    package = pytest.importorskip("datasets")
    images = [Image.fromarray(RNG.integers(0, 256, (12, 10), dtype=np.uint8)) for _ in range(6)]
    features = package.Features({"img": package.Image(), "label": package.ClassLabel(names=["odd", "even"])})
    rows = package.Dataset.from_dict({"img": images, "label": [0, 1] * 3}, features=features)
    package.DatasetDict({"test": rows}).save_to_disk(str(tmp_path / "saved"))
    found = data.load(f"hf:{tmp_path / 'saved'}", "test")
    assert (found.name, found.classes, found.pixels.shape) == ("saved", ("odd", "even"), (6, 1, 12, 10))
    expected = np.stack([np.asarray(image) for image in images])[data.order(np.array([0, 1] * 3))]
    assert (found.pixels[:, 0] == expected).all()
    rows.save_to_disk(str(tmp_path / "rows"))
    assert data.load(f"hf:{tmp_path / 'rows'}", "test").sha256 == found.sha256
    with pytest.raises(DataError, match="in the local cache"):
        data.load("hf:no/such-set", "test")
