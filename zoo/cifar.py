"""Reads CIFAR-10 and CIFAR-100 (Krizhevsky 2009), from torchvision's files or from one `.npz` file.

The content is compared with the original: a file with other pixels or labels is refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from zoo import arrays
from zoo.pictures import DataError

SIZES = {"train": 50_000, "test": 10_000}
CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
# sha256 of the original pixels, n × height × width × channel, then the labels as little-endian int64
CIFAR10 = {
    "train": "67e12c2a5906880a4fe5595fe6d768185ad7ca587f35d3a7ece3c3b8b85035d2",
    "test": "e54a434ec35094516eacbaac0f2f9550358d985e9d1f71b47d41d333c15ba304",
}
CIFAR100 = Path(__file__).with_name("cifar100.json")


def read(
    spec: str, split: str, root: Path, download: bool
) -> tuple[UInt8[np.ndarray, "n 3 32 32"], Int64[np.ndarray, " n"], tuple[str, ...]]:
    """Pixels uint8 (n, 3, 32, 32), labels int64 (n,) and class names of `spec`, "cifar10" or "cifar100".

    `root` holds `SPEC.npz` with the keys of the Keras layout (`x_train`, `y_train`, `x_test`, `y_test`) or
    torchvision's files, whose MD5 sums torchvision checks; the `.npz` file is taken where both are there.

    Of CIFAR-10 all pixels and labels are compared with the original. Of `cifar100.npz` the test images of
    264 places and their labels are, and the number of images of each class; the others are not.

    Raises:
        DataError: no such file, or one with other content.
    """
    packed = root / f"{spec}.npz"
    if not packed.is_file():
        pixels, labels, classes = _unpacked(spec, split, root, download)
    else:
        pixels, labels = _packed(packed, split)
        test = (pixels, labels) if split == "test" or spec == "cifar10" else _packed(packed, "test")
        _check(spec, split, packed, (pixels, labels), test)
        classes = CLASSES if spec == "cifar10" else tuple(_cifar100()["classes"])
    return pixels, labels, classes


def digest(pixels: UInt8[np.ndarray, "n 3 h w"], labels: Int64[np.ndarray, " n"]) -> str:
    """sha256 of the pixels, n × height × width × channel, then the labels as little-endian int64."""
    found = hashlib.sha256(np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)).data)
    found.update(labels.astype("<i8").data)
    return found.hexdigest()


def _packed(file: Path, split: str) -> tuple[UInt8[np.ndarray, "n 3 h w"], Int64[np.ndarray, " n"]]:
    pixels, labels, _ = arrays.read(file, split)
    return pixels[:], labels


def _check(
    spec: str,
    split: str,
    file: Path,
    images: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
) -> None:
    """Raises DataError unless these are the original images of the split, as far as `read` says."""
    if spec == "cifar10":
        found, original = digest(*images), CIFAR10[split]
    else:
        known = _cifar100()
        counts = np.bincount(images[1], minlength=len(known["classes"]))
        whole = len(test[0]) == SIZES["test"] and (counts * len(counts) == SIZES[split]).all()
        places = known["test_images"] if whole else range(len(test[0]))
        found, original = digest(*(part[places] for part in test)), known["sha256"]
    if found != original:
        raise DataError(
            f"{file} does not hold the original {split} images and labels of {spec} (sha256 {found}, not {original}): "
            f"for other images use --dataset npz:{file} --name NAME"
        )


def _cifar100() -> dict[str, Any]:
    """Class names, places in the test set, and the digest of the images there."""
    return json.loads(CIFAR100.read_text(encoding="utf-8"))


def _unpacked(
    spec: str, split: str, root: Path, download: bool
) -> tuple[UInt8[np.ndarray, "n 3 32 32"], Int64[np.ndarray, " n"], tuple[str, ...]]:
    """From torchvision's files; their MD5 sums are checked before they are read."""
    from torchvision import datasets

    make: Callable[..., Any] = datasets.CIFAR10 if spec == "cifar10" else datasets.CIFAR100
    try:
        with contextlib.redirect_stdout(sys.stderr):
            files = make(root, train=split == "train", download=download)
    except (RuntimeError, OSError) as error:
        if download:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise DataError(f"{spec} could not be fetched into {root}: {reason}") from error
        raise DataError(
            f"{spec} is not in {root} ({spec}.npz, or torchvision's files): add --download to fetch it, "
            "or say where it is with --data-root PATH"
        ) from error
    return files.data.transpose(0, 3, 1, 2), np.array(files.targets, dtype=np.int64), tuple(files.classes)
