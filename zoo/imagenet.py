"""Reads ImageNet's folders of photographs by WordNet number, picture by picture as they are needed.

The classes of a folder that holds some of ImageNet's 1,000 are all 1,000, in order of their numbers, as every
published network has them. Other WordNet numbers are classes by themselves, in the same order.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int64, UInt8

from zoo import pictures
from zoo.file_digest import file_digest
from zoo.folders import files_of, tell
from zoo.ordering import order
from zoo.pictures import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 224
KEPT_BYTES = 256 * 2**20  # of decoded pictures, kept in memory for the next attack or model
THREADS = 4  # that decode the pictures of a slice
_SHORTER = 256 / 224  # how much longer the shorter side is than the square cut from the middle
_WNID = re.compile(r"n\d{8}")


@functools.cache
def wnids() -> tuple[str, ...]:
    """The WordNet numbers of ImageNet's 1,000 classes, in their order."""
    return tuple(Path(__file__).with_name("imagenet_wnids.txt").read_text(encoding="utf-8").split())


class Photographs:
    """Pictures that are decoded when they are requested: shorter side to 8/7 of `side`, then its middle.

    Args:
        paths: in the order of the images.
        side: of the square that is cut from the middle.
    """

    def __init__(self, paths: Sequence[Path], side: int) -> None:
        self._paths, self._side = tuple(paths), side
        kept = max(1, KEPT_BYTES // (3 * side * side))
        self._decoded = functools.lru_cache(maxsize=kept)(self._decode)

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, 3, side, side)."""
        return (len(self), 3, self._side, self._side)

    def __len__(self) -> int:
        return len(self._paths)

    def __reduce__(self) -> tuple[Any, ...]:
        return Photographs, (self._paths, self._side)

    def __getitem__(self, chosen: Any) -> UInt8[np.ndarray, "m c h w"]:
        """The images of a slice; no others are read. A few threads decode them."""
        with ThreadPoolExecutor(THREADS) as threads:
            images = list(threads.map(self._decoded, range(*chosen.indices(len(self)))))
        return np.stack(images) if images else np.empty((0, *self.shape[1:]), np.uint8)

    def _decode(self, index: int) -> UInt8[np.ndarray, "c h w"]:
        pixels = pictures.read(self._paths[index], functools.partial(middle, side=self._side))
        return np.ascontiguousarray(pixels.transpose(2, 0, 1)) if pixels.ndim == 3 else np.stack([pixels] * 3)


def middle(image: Image, side: int) -> Image:
    """The shorter side becomes 8/7 of `side`, bilinearly; then the square of that side in the middle is cut out."""
    from PIL.Image import Resampling

    width, height = image.size
    shorter = round(side * _SHORTER)
    longer = int(shorter * max(image.size) / min(image.size))
    size = (shorter, longer) if width <= height else (longer, shorter)
    image = image if image.size == size else image.resize(size, Resampling.BILINEAR)
    left, top = (round((length - side) / 2) for length in size)
    return image.crop((left, top, left + side, top + side))


def read(
    folder: Path, split: str, side: int
) -> tuple[Photographs, Int64[np.ndarray, " n"], tuple[str, ...], str]:
    """Pictures, labels int64 (n,), class names and sha256 of a split, in an order that is stratified.

    `folder` has a folder for each class, or holds `val/` or `test/` (`train/` for the split "train") that has
    them. Classes take turns by the sha256 of their names: by their order the first would all be fish.

    Raises:
        DataError: no such folder, or one without pictures, or of a class that is no WordNet number.
    """
    pictures.check_side(side)
    inside = _inside(folder, split)
    found = _found(inside)
    left_out: Counter[str] = Counter()
    files = [files_of(inside / name, left_out) for name in found]
    tell(inside, left_out)
    classes = wnids() if set(found) <= set(wnids()) else found
    of_group = np.array([classes.index(name) for name in found])
    labels = np.repeat(of_group, [len(group) for group in files])
    turn = {name: place for place, name in enumerate(sorted(found, key=_shuffled))}
    places = order(np.repeat([turn[name] for name in found], [len(group) for group in files]))
    paths = [path for group in files for path in group]
    photographs = Photographs([paths[place] for place in places], side)
    digest = file_digest("imagenet", [(path.relative_to(inside).as_posix(), path) for path in paths])
    total = hashlib.sha256(f"{digest} {side} {' '.join(classes)}".encode())
    total.update(np.ascontiguousarray(photographs[:1]).data)  # another Pillow may decode other pixels
    return photographs, labels[places].astype(np.int64), classes, total.hexdigest()


def _inside(folder: Path, split: str) -> Path:
    """Where the class folders of a split lie."""
    if not folder.is_dir():
        raise DataError(f"{folder} is no directory: give imagenet:DIR with a folder for each WordNet number")
    for place in ("train",) if split == "train" else ("val", "test"):
        if (folder / place).is_dir():
            return folder / place
    if split == "train":
        raise DataError(f"{folder}/train is missing: put the images to train on there, by WordNet number")
    return folder


def _found(inside: Path) -> tuple[str, ...]:
    found = sorted(entry.name for entry in inside.iterdir() if entry.is_dir() and entry.name[0] != ".")
    if not found:
        raise DataError(
            f"{inside} holds no class folders: sort the images into {inside}/n01440764/ and so on"
        )
    if strange := next((name for name in found if not _WNID.fullmatch(name)), None):
        raise DataError(
            f"class folder {strange!r} of {inside} is no WordNet number such as n01440764: use folder:PATH"
        )
    return tuple(found)


def _shuffled(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
