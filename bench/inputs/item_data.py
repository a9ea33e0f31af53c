"""Images of a torch ``Dataset`` or ``DataLoader``, read one by one when they are needed."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, default_collate

from bench.errors import UsageError, in_words
from bench.inputs.array_data import as_array, check_labels, check_pixels

Read = Callable[[int], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ItemData:
    """Images that a data set gives one by one, in its order; has the methods of ``zoo.data.Dataset``.

    Attributes:
        read: gives the image of a place, (1, c, h, w), and its label, (1,).
        marks: digest of each image, to notice one that has changed when it is read again.
    """

    name: str
    labels: Int64[np.ndarray, " n"]
    classes: tuple[str, ...]
    sha256: str
    read: Read
    marks: tuple[bytes, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def images(self, first: int = 0, count: int | None = None) -> Float32[Tensor, "count c h w"]:
        """Images ``first`` to ``first + count``: (count, c, h, w), float32 in [0, 1].

        Raises:
            UsageError: an image has changed since it was first read.
        """
        stop = len(self) if count is None else min(first + count, len(self))
        return torch.from_numpy(np.concatenate([self._image(place) for place in range(first, stop)]))

    def _image(self, place: int) -> Float32[np.ndarray, "1 c h w"]:
        image = np.array(self.read(place)[0], np.float32, order="C")
        if _mark(image) != self.marks[place]:
            raise UsageError(
                f"image {place} of {self.name} differs each time it is read; remove random transforms from the "
                "data set"
            )
        return image


def item_data(name: str, data: Dataset[Any] | DataLoader[Any]) -> ItemData:
    """The images of a data set, or those that a loader would give, in the order of one pass.

    Every image is read once now, for its label, its digest and a look at its pixels; no more than one is kept.

    Args:
        name: of the data set.
        data: gives pairs of an image (c, h, w), float in [0, 1], and a label from 0; a loader gives batches of them.

    Raises:
        UsageError: it gives anything else.
    """
    read, count = _reader(data)
    total, marks, labels = hashlib.sha256(), [], []
    shape: tuple[int, ...] = ()
    for place in range(count):
        x, y = read(place)
        check_pixels(x, f"item {place} of {name}")
        if shape not in ((), x.shape):
            raise UsageError(
                f"image {place} of {name} has the shape {x.shape[1:]}, and the one before it {shape[1:]}; resize them "
                "to one shape"
            )
        image, shape = np.array(x, np.float32, order="C"), x.shape
        total.update(image.data)
        marks.append(_mark(image))
        labels.append(check_labels(y))
    if not labels:
        raise UsageError(f"{name} holds no images")
    found = np.concatenate(labels)
    total.update(found.tobytes())
    return ItemData(
        name=name,
        labels=found,
        classes=tuple(str(i) for i in range(int(found.max()) + 1)),
        sha256=total.hexdigest(),
        read=read,
        marks=tuple(marks),
    )


def _mark(image: Float32[np.ndarray, "1 c h w"]) -> bytes:
    return hashlib.blake2b(image.data, digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads an item of a data set as a batch of one."""

    data: Any
    places: Sequence[int]
    collate: Callable[[list[Any]], Any]

    def __call__(self, place: int) -> tuple[np.ndarray, np.ndarray]:
        try:
            batch = self.collate([self.data[self.places[place]]])
        except Exception as fault:  # whatever the user's code raises
            raise UsageError(
                f"item {place} of the data set cannot be read ({type(fault).__name__}: {in_words(fault)}); it must be "
                "an image as a float tensor (c, h, w) in [0, 1] and a label"
            ) from fault
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            raise UsageError(
                f"item {place} of the data set is a {type(batch).__name__}; it must be a pair of an image and a label"
            )
        return as_array(batch[0], f"image {place}"), as_array(batch[1], f"label {place}")


def _reader(data: Dataset[Any] | DataLoader[Any]) -> tuple[Read, int]:
    """A function that reads the item at a position, and the number of items."""
    if not isinstance(data, DataLoader):
        count = _length(data)
        return _Reader(data, range(count), default_collate), count
    _length(data.dataset)
    batches: Iterable[Iterable[int]] = (
        data.batch_sampler if data.batch_sampler is not None else [data.sampler]
    )
    places = tuple(itertools.chain.from_iterable(batches))
    collate = data.collate_fn if data.batch_sampler is not None else default_collate
    return _Reader(data.dataset, places, collate), len(places)


def _length(data: Any) -> int:
    if isinstance(data, IterableDataset) or not hasattr(data, "__len__"):
        raise UsageError(
            f"{type(data).__name__} gives its images in one pass only, and they are read again for each attack; give "
            "tensors, or a data set with a length"
        )
    return len(data)
