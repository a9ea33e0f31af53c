"""Reads labelled image sets through torchvision's own classes, from its files."""

from __future__ import annotations

import contextlib
import difflib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from zoo import pictures
from zoo.pictures import DataError

# torchvision's name → its words for the splits to train on and to measure on
NAMES: dict[str, tuple[Any, Any]] = {
    **dict.fromkeys(("MNIST", "FashionMNIST", "KMNIST", "QMNIST", "USPS"), (True, False)),
    **dict.fromkeys(
        (
            "SVHN", "STL10", "GTSRB", "Flowers102", "Food101", "DTD", "FGVCAircraft", "PCAM", "Country211",
            "RenderedSST2", "StanfordCars",
        ),
        ("train", "test"),
    ),
    "OxfordIIITPet": ("trainval", "test"),
    "Imagenette": ("train", "val"),
}  # fmt: skip


def read(
    name: str, split: str, root: Path, download: bool, resize: int | None
) -> tuple[UInt8[np.ndarray, "n c h w"], Int64[np.ndarray, " n"], tuple[str, ...]]:
    """Pixels uint8 (n, c, h, w), labels int64 (n,) and class names of a split, in torchvision's order.

    `root` is what torchvision's class takes: it finds its files there, checks them, and fetches them with
    `download`. `resize` makes pictures square of that side; without it all must be of one size.

    Raises:
        DataError: a name not in `NAMES`, no files, damaged ones, or pictures of several sizes.
    """
    resized = pictures.square(resize)
    files = _opened(name, split, root, download)
    items = [files[index] for index in range(len(files))]
    names = [f"image {index} of torchvision:{name}" for index in range(len(items))]
    images = [pictures.pixels_of(image, each, resized) for each, (image, _) in zip(names, items, strict=True)]
    labels = np.array([int(label) for _, label in items], dtype=np.int64)
    classes = getattr(files, "classes", None) or range(int(labels.max()) + 1)
    return pictures.stacked(names, images), labels, tuple(map(_name, classes))


def row_name(name: str) -> str:
    """The name in rows of a set of `NAMES`."""
    return name.lower()


def _opened(name: str, split: str, root: Path, download: bool) -> Any:
    if name not in NAMES:
        near = difflib.get_close_matches(name.lower(), map(str.lower, NAMES), n=2, cutoff=0.5)
        known = [each for each in NAMES if each.lower() in near]
        raise DataError(
            f"unknown set {name!r} of torchvision: "
            + (f"did you mean {' or '.join(known)}?" if known else f"known are {', '.join(NAMES)}")
        )
    from torchvision import datasets

    make: Callable[..., Any] = getattr(datasets, name)
    chosen = NAMES[name][split == "test"]
    word = "train" if "train" in inspect.signature(make).parameters else "split"
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return make(str(root), download=download, **{word: chosen})
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        if download:
            raise DataError(f"torchvision:{name} could not be fetched into {root}: {reason[:300]}") from error
        raise DataError(
            f"torchvision:{name} cannot be read from {root} ({reason[:300]}): add --download to fetch it, or say "
            "where torchvision's files are with --data-root PATH"
        ) from error


def _name(given: Any) -> str:
    """The first name of a class that has several."""
    return str(given[0] if isinstance(given, tuple | list) else given)
