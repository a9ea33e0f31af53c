"""Named image sets with labels: 8-bit pixels in one fixed, stratified order, and their digest.

The order of a split depends on its labels and file order only, never on a random generator or a library version, so
"the first n images" means the same images everywhere and has every class in proportion.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import importlib.metadata
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Int64, Integer, UInt8

from zoo import arrays, cifar, folders, hub_sets, imagenet, torchvision_sets
from zoo.grouped import Groups, LazyPixels
from zoo.ordering import order
from zoo.pictures import DataError
from zoo.stored import StoredPixels

if TYPE_CHECKING:
    import torch

__all__ = ["BUILT_IN", "KNOWN", "DataError", "Dataset", "load", "order"]

BUILT_IN = ("digits", "cifar10", "cifar100")  # sets of images to train on that are no folders
KNOWN = (
    "digits",
    "cifar10",
    "cifar100",
    "torchvision:NAME",
    "imagenet:DIR",
    "folder:PATH",
    "npz:FILE",
    "hf:NAME[:SPLIT]",
    "cifar10c[:NAME]",
    "corrupted:BASE[:NAME]",
)
KINDS = {each.partition(":")[0].partition("[")[0] for each in KNOWN}
RESIZED = ("folder", "imagenet", "torchvision", "hf")
NAMED = ("folder", "npz", "imagenet", "hf")
ALIASES = {"torchvision:CIFAR10": "cifar10", "torchvision:CIFAR100": "cifar100"}
SPLITS = ("train", "test")
DIGITS_TEST = 360
DIGESTED = 256  # images that are read together for a digest


@dataclass(frozen=True, eq=False)
class Dataset:
    """One split of an image set: every image it has, in its fixed order.

    `pixels` is uint8 (n, c, h, w) and `labels` int64 (n,), both read-only; an image is `pixels / levels`, in [0, 1].
    `sha256` is the digest of shape, levels, pixels and labels. `groups` has the corruption, severity and base image of
    corrupted images. Their pixels are made or read when they are requested, as are those of a large `.npz` file; the
    digest of corrupted ones is that of the files, or of what determines the images.
    """

    name: str
    split: str
    pixels: UInt8[np.ndarray, "n c h w"] | LazyPixels
    labels: Int64[np.ndarray, " n"]
    classes: tuple[str, ...]
    levels: int
    sha256: str
    groups: Groups | None = None

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def channels(self) -> int:
        return self.pixels.shape[1]

    @property
    def size(self) -> int:
        """Height in pixels, and width where images are square."""
        return self.pixels.shape[2]

    def images(self, first: int = 0, count: int | None = None) -> Float32[torch.Tensor, "count c h w"]:
        """Images `first` to `first + count` as float32 (count, c, h, w) in [0, 1]; DataError past the end."""
        import torch

        chosen = self.pixels[self._range(first, count)]
        return torch.from_numpy(chosen.astype(np.float32)).div_(self.levels)

    def targets(self, first: int = 0, count: int | None = None) -> Int64[torch.Tensor, " count"]:
        """Labels of the same images as int64 (count,)."""
        import torch

        return torch.from_numpy(self.labels[self._range(first, count)].copy())

    def _range(self, first: int, count: int | None) -> slice:
        stop = len(self) if count is None else first + count
        if not 0 <= first <= stop <= len(self):
            raise DataError(
                f"images {first} to {stop} were requested, but the {self.split} split of {self.name} "
                f"has {len(self)}: use --n {len(self)} or less"
            )
        return slice(first, stop)


def load(
    spec: str,
    split: str,
    *,
    root: Path | None = None,
    download: bool = False,
    name: str | None = None,
    resize: int | None = None,
    seed: int = 0,
) -> Dataset:
    """The `split`, "train" or "test", of the data set `spec`, one of `KNOWN`.

    `root` holds the files of CIFAR, CIFAR-10-C and torchvision (default: $SYMBENCH_DATA, else `data/`). `resize` is the
    side of the square that pictures are resized to (`imagenet:` cuts its square from the middle). `name`, which rows
    show, is for sets of one's own; the default is the name of the folder or file, and a name of a built-in set is
    refused. `seed` is for the random numbers of `corrupted:`, whose rows show the base's name with `corrupted-` before
    it. Raises DataError, one sentence with a remedy, for anything that the user can correct.
    """
    if split not in SPLITS:
        raise DataError(f"unknown split {split!r}: use train or test")
    spec = ALIASES.get(spec, spec)
    kind, _, rest = spec.partition(":")
    if kind in ("corrupted", "cifar10c") and split == "train":
        raise DataError(f"the images of {spec} are for measuring: train on plain ones")
    if kind == "corrupted":
        base = functools.partial(load, split=split, root=root, download=download, name=name, resize=resize)
        return _corrupted(rest, base, seed)
    _check_options(spec, name, resize, seed)
    if kind == "cifar10c":
        return _cifar10c(rest or None, _root(root))
    if spec == "digits":
        pixels, labels = _digits(split)
        return _dataset(spec, split, pixels, labels, tuple("0123456789"), 16)
    if kind == "imagenet":
        path = Path(rest).expanduser()
        own = _name(name or path.resolve().name)
        photographs, labels, classes, sha256 = imagenet.read(path, split, resize or imagenet.SIDE)
        return Dataset(own, split, photographs, labels, classes, 255, sha256)
    own, (pixels, labels, classes) = _read(spec, split, _root(root), download, name, resize)
    return _dataset(own, split, pixels, labels, classes, 255)


def _read(
    spec: str, split: str, root: Path, download: bool, name: str | None, resize: int | None
) -> tuple[str, tuple[UInt8[np.ndarray, "n c h w"] | StoredPixels, Int64[np.ndarray, " n"], tuple[str, ...]]]:
    """The name in rows of a set of 8-bit images, with its pixels, labels and classes in the order of its files."""
    kind, _, rest = spec.partition(":")
    path = Path(rest).expanduser()
    if kind == "folder":
        return _name(name or path.resolve().name), folders.read(path, split, resize)
    if kind == "npz":
        read = arrays.read(path, split)
        return _name(name or path.stem), read
    if kind == "hf":
        own = _name(name or re.sub(r"[^A-Za-z0-9_.-]", "-", Path(hub_sets.split_spec(rest)[0]).name))
        return own, hub_sets.read(rest, split, download, resize)
    if kind == "torchvision":
        return torchvision_sets.row_name(rest), torchvision_sets.read(rest, split, root, download, resize)
    return spec, cifar.read(spec, split, root, download)


def _check_options(spec: str, name: str | None, resize: int | None, seed: int) -> None:
    """Raises DataError for an unknown set, and for an option that is not for it."""
    kind, colon, _ = spec.partition(":")
    if seed != 0:
        raise DataError(f"--corruption-seed is for corrupted: data sets; the images of {spec} have no seed")
    if spec not in BUILT_IN and (kind in BUILT_IN or kind not in KINDS or (not colon and kind != "cifar10c")):
        raise DataError(f"unknown data set {spec!r}: {_nearest(spec)}")
    if resize is not None and kind not in RESIZED:
        raise DataError(
            f"--resize is for image folders and sets of pictures; the images of {spec} have one fixed size"
        )
    if name is not None and kind not in NAMED:
        raise DataError(
            f"--name is for folder:, npz:, imagenet: and hf: images; those of {spec} have a name of their own"
        )


def _dataset(
    name: str,
    split: str,
    pixels: UInt8[np.ndarray, "n c h w"] | StoredPixels,
    labels: Integer[np.ndarray, " n"],
    classes: tuple[str, ...],
    levels: int,
) -> Dataset:
    places = order(labels)
    labels = labels[places].astype(np.int64)
    if isinstance(pixels, StoredPixels):
        pixels = pixels.ordered(places)
    else:
        pixels = np.ascontiguousarray(pixels[places])
        pixels.setflags(write=False)
    digest = hashlib.sha256(f"{pixels.shape} {levels}".encode())
    for first in range(0, len(pixels), DIGESTED):
        digest.update(pixels[first : first + DIGESTED].data)
    digest.update(labels.astype("<i8").data)
    labels.setflags(write=False)
    return Dataset(name, split, pixels, labels, classes, levels, digest.hexdigest())


def _digits(split: str) -> tuple[UInt8[np.ndarray, "n c h w"], Int64[np.ndarray, " n"]]:
    """scikit-learn's 1,797 scans of written digits, 8×8 with values 0 to 16, each pixel doubled to 16×16."""
    # its file: importing scikit-learn takes as long as importing torch
    file = importlib.metadata.distribution("scikit-learn").locate_file("sklearn/datasets/data/digits.csv.gz")
    scans = np.loadtxt(str(file), delimiter=",", dtype=np.uint8)
    pixels = scans[:, :-1].reshape(-1, 1, 8, 8).repeat(2, axis=2).repeat(2, axis=3)
    labels = scans[:, -1].astype(np.int64)
    places = order(labels)
    chosen = np.sort(places[:DIGITS_TEST] if split == "test" else places[DIGITS_TEST:])
    return pixels[chosen], labels[chosen]


def _cifar10c(corruption: str | None, root: Path) -> Dataset:
    from zoo import cifar10c

    names = cifar10c.chosen_names(corruption)
    place = cifar10c.directory(root)
    labels = cifar10c.read_labels(place)
    places = order(labels)
    files = cifar10c.open_files(place, names, len(labels))
    groups = Groups(names, "cifar10", None, len(labels))
    return Dataset(
        name="-".join(["cifar10c", *([corruption] if corruption else [])]),
        split="test",
        pixels=cifar10c.CifarPixels(files, places),
        labels=_repeated(labels[places], groups),
        classes=cifar.CLASSES,
        levels=255,
        sha256=cifar10c.digest(place, names),
        groups=groups,
    )


def _corrupted(spec: str, load_base: Callable[[str], Dataset], seed: int) -> Dataset:
    from zoo import corruptions

    base_spec, name = corruptions.split_spec(spec)
    base = load_base(base_spec)
    names = corruptions.chosen_names(name, base.name, base.channels)
    pixels = corruptions.CorruptedPixels(base.pixels, base.levels, names, seed)
    constants = corruptions.constants_of(*pixels.shape[2:])
    groups = Groups(names, base.name, base.sha256, len(base), constants)
    return Dataset(
        name="-".join(["corrupted", base.name, *([name] if name else [])]),
        split=base.split,
        pixels=pixels,
        labels=_repeated(base.labels, groups),
        classes=base.classes,
        levels=255,
        sha256=corruptions.digest(pixels, base.sha256, names, seed),
        groups=groups,
    )


def _repeated(labels: Int64[np.ndarray, " m"], groups: Groups) -> Int64[np.ndarray, " n"]:
    repeated = labels.repeat(groups.block)
    repeated.setflags(write=False)
    return repeated


def _root(root: Path | None) -> Path:
    return Path(root if root is not None else os.environ.get("SYMBENCH_DATA", "data"))


def _name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
        raise DataError(f"{name!r} cannot name a data set: give --name letters, digits, '.', '_' or '-'")
    if name in (*BUILT_IN, "cifar10c"):
        raise DataError(
            f"{name} is the name of a built-in data set: give these images another one with --name"
        )
    return name


def _nearest(spec: str) -> str:
    """Similar names for an unknown set, and all ways to name one."""
    path = Path(spec).expanduser()
    if path.is_dir() or (path.is_file() and path.suffix == ".npz"):
        return f"for these images write {'folder' if path.is_dir() else 'npz'}:{spec}"
    torchvision = {name.lower(): f"torchvision:{name}" for name in torchvision_sets.NAMES}
    known = {**{each.lower(): each for each in KNOWN}, "imagenet": "imagenet:DIR", **torchvision}
    bare = re.sub("^torchvision[:/]", "", spec.lower())
    near = [bare] if bare in known else difflib.get_close_matches(bare, known, n=2, cutoff=0.6)
    mean = f"did you mean {' or '.join(known[each] for each in near)}? " if near else ""
    return f"{mean}known are {', '.join(KNOWN)}"
