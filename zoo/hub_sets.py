"""Reads labelled image sets of the Hugging Face hub, or ones saved on disk, through the package `datasets`."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from zoo import pictures
from zoo.pictures import DataError

LABELS = ("label", "labels", "fine_label")  # names of a column of labels that does not say it is one
SPLITS = {"train": ("train",), "test": ("test", "validation", "valid", "val")}


def read(
    spec: str, split: str, download: bool, resize: int | None
) -> tuple[UInt8[np.ndarray, "n c h w"], Int64[np.ndarray, " n"], tuple[str, ...]]:
    """Pixels uint8 (n, c, h, w), labels int64 (n,) and class names, in the order of the set.

    Args:
        spec: `NAME[:SPLIT]` of the hub, or of a directory that `save_to_disk` wrote; without `:SPLIT` the images to
            measure on are those of `test`, or else of `validation`.
        split: "train" or "test".
        download: whether it may be fetched; otherwise it comes from the local cache.
        resize: makes pictures square of that side; without it all must be of one size.

    Raises:
        DataError: the package is not installed, or there is no such set or split, or none of images with a label.
    """
    resized = pictures.square(resize)
    name, chosen = split_spec(spec)
    rows = _split(_opened(name, download), name, split, chosen)
    image, label, classes = _columns(rows, name)
    names = [f"image {index} of hf:{name}" for index in range(len(rows))]
    pixels = [pictures.pixels_of(row[image], each, resized) for each, row in zip(names, rows, strict=True)]
    labels = np.array(rows[label], dtype=np.int64)
    if not len(labels) or labels.min() < 0:
        raise DataError(
            f"hf:{name} must hold labels from 0, at least one: choose another split with hf:{name}:SPLIT"
        )
    count = max(len(classes), int(labels.max()) + 1)
    return pictures.stacked(names, pixels), labels, classes or tuple(map(str, range(count)))


def split_spec(spec: str) -> tuple[str, str]:
    """Name and split of `NAME[:SPLIT]`; the split is empty where none is named."""
    name, _, chosen = spec.partition(":")
    return name, chosen


def _opened(name: str, download: bool) -> Any:
    try:
        datasets = importlib.import_module("datasets")
    except ImportError as fault:
        raise DataError(
            f"hf: data sets need the package `datasets`, which cannot be imported ({fault}): "
            "pip install 'symbench[hf]'"
        ) from fault
    try:
        if Path(name).expanduser().is_dir():
            return datasets.load_from_disk(str(Path(name).expanduser()))
        with contextlib.nullcontext() if download else _offline():
            return datasets.load_dataset(name)
    except Exception as fault:
        reason = " ".join(str(fault).split())[:300] or type(fault).__name__
        if download or Path(name).is_dir():
            raise DataError(f"hf:{name} cannot be read: {reason}") from fault
        raise DataError(
            f"hf:{name} is not in the local cache ({type(fault).__name__}): add --download to fetch it"
        ) from fault


@contextlib.contextmanager
def _offline() -> Iterator[None]:
    """Uses only the local cache: otherwise the package connects to the hub even for sets in the cache."""
    switches: list[Any] = [
        sys.modules[each] for each in ("huggingface_hub.constants", "datasets.config") if each in sys.modules
    ]
    before = [(each, each.HF_HUB_OFFLINE) for each in switches]
    try:
        for each in switches:
            each.HF_HUB_OFFLINE = True
        yield
    finally:
        for each, value in before:
            each.HF_HUB_OFFLINE = value


def _split(found: Any, name: str, split: str, chosen: str) -> Any:
    """The rows of a split; a set without splits has its rows alone."""
    if not hasattr(found, "keys"):
        return found
    wanted = (chosen,) if chosen and split == "test" else SPLITS[split]
    for each in wanted:
        if each in found:
            return found[each]
    raise DataError(
        f"hf:{name} has no split {' or '.join(wanted)}: it has {', '.join(found)}; name one as hf:{name}:SPLIT"
    )


def _columns(rows: Any, name: str) -> tuple[str, str, tuple[str, ...]]:
    """The columns of images and of labels, and the names of the classes as far as they are told."""
    datasets: Any = sys.modules["datasets"]
    features = rows.features
    images = [key for key, kind in features.items() if isinstance(kind, datasets.Image)]
    named = [key for key, kind in features.items() if isinstance(kind, datasets.ClassLabel)]
    labels = named or [key for key in LABELS if key in features and "int" in str(features[key].dtype)]
    if not images or not labels:
        raise DataError(f"hf:{name} has no column of images and one of labels: it has {', '.join(features)}")
    return images[0], labels[0], tuple(features[labels[0]].names) if named else ()
