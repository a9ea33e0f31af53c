"""Reads a folder of images (`PATH/train/CLASS/*.jpg`, `PATH/test/CLASS/*.jpg` or `val`) into one 8-bit array.

Decoded arrays are kept in the user's cache directory, one file for each listing of names, sizes and times. Of 256 MB
or more they stay there, and images are read from it when they are requested.
"""

from __future__ import annotations

import contextlib
import json
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from zoo import pictures
from zoo.decoded import decoded_pixels, kept_pixels
from zoo.notes import note_once
from zoo.pictures import DataError
from zoo.stored import StoredPixels, cache_file
from zoo.whole import replacing

__all__ = ["DataError", "files_of", "read", "tell"]


def read(
    folder: Path, split: str, resize: int | None
) -> tuple[UInt8[np.ndarray, "n c h w"] | StoredPixels, Int64[np.ndarray, " n"], tuple[str, ...]]:
    """Pixels uint8 (n, c, h, w), labels int64 (n,) and class names of a split, in order of class and path.

    The test split lies in `test/`, or without that in `val/`; the other one need not be there. Only the split
    asked for is decoded. DataError names the folder or file that is missing, empty, unreadable or of the wrong
    size: images must be of one size, 8 or more along each side; `resize` makes them square of that side.
    """
    pictures.square(resize)
    classes, inside = _classes(folder, split), _inside(folder, split)
    left_out: Counter[str] = Counter()
    files = [files_of(inside / name, left_out) for name in classes]
    tell(inside, left_out)
    labels = np.repeat(np.arange(len(classes)), [len(group) for group in files])
    paths = [path for group in files for path in group]
    cache = _cache(folder, paths, resize)
    pixels = kept_pixels(cache, len(paths)) or _recall(cache, len(paths))
    if pixels is None:
        _tell_turned(folder, paths)
        pixels = decoded_pixels(paths, pictures.square(resize), cache)
    if pixels is None:
        pixels = _decode(paths, resize)
        _keep(cache, pixels)
    return pixels, labels, classes


def _inside(folder: Path, split: str) -> Path:
    """The folder of a split: ``train/``, or ``test/``, or without that ``val/``."""
    places = ("train",) if split == "train" else ("test", "val")
    for place in places:
        if (folder / place).is_dir():
            return folder / place
    raise DataError(
        f"{folder / places[0]} is missing: an image folder holds "
        + ("train/CLASS/ to train on" if split == "train" else "test/CLASS/ or val/CLASS/ to measure on")
    )


def _classes(folder: Path, split: str) -> tuple[str, ...]:
    """The classes of a split, which are those of the other one where both are there."""
    inside = _inside(folder, split)
    if not (found := _names(inside)):
        raise DataError(f"{inside} holds no class folders: put the images in {inside}/CLASS/")
    try:
        other = _inside(folder, "test" if split == "train" else "train")
    except DataError:
        return tuple(found)
    if odd := sorted(set(found) ^ set(_names(other))):
        only = inside.name if odd[0] in found else other.name
        raise DataError(f"class {odd[0]!r} of {folder} is in {only}/ only: both need the same classes")
    return tuple(found)


def _names(inside: Path) -> list[str]:
    return sorted(entry.name for entry in inside.iterdir() if entry.is_dir())


def files_of(folder: Path, left_out: Counter[str]) -> list[Path]:
    """The images of a class in order of their paths; other files that are not hidden are counted by suffix."""
    files = []
    for path in filter(Path.is_file, folder.rglob("*")):
        if path.suffix.lower() in pictures.SUFFIXES:
            files.append(path)
        elif not path.name.startswith("."):
            left_out[path.suffix.lower() or "no suffix"] += 1
    if not files:
        raise DataError(f"{folder} holds no images: put some there or remove the class from train/ and test/")
    return sorted(files, key=lambda path: path.relative_to(folder).as_posix())


def tell(folder: Path, left_out: Counter[str]) -> None:
    """Prints, once in a run, which files among the images are no images."""
    if left_out:
        kinds = ", ".join(f"{count} × {suffix}" for suffix, count in sorted(left_out.items()))
        note_once(f"{left_out.total()} files of {folder} are no images and are left out ({kinds})")


def _decode(paths: list[Path], resize: int | None) -> UInt8[np.ndarray, "n c h w"]:
    """All images as uint8 (n, c, h, w): one channel if every file is grey, else three."""
    resized = pictures.square(resize)
    return pictures.stacked(list(map(str, paths)), [pictures.read(path, resized) for path in paths])


def _tell_turned(folder: Path, paths: list[Path]) -> None:
    """Prints, once in a run, the number of pictures that are turned according to EXIF."""
    if marked := sum(map(pictures.turned, paths)):
        note_once(
            f"EXIF turns {marked} of {len(paths)} images of {folder}; they are taken unturned, as torchvision does it"
        )


def _cache(folder: Path, paths: list[Path], resize: int | None) -> Path:
    import PIL

    listing = []
    for path in paths:
        info = path.stat()
        listing.append((path.relative_to(folder).as_posix(), info.st_size, info.st_mtime_ns))
    return cache_file(json.dumps([PIL.__version__, resize, str(folder.resolve()), listing]))


def _recall(cache: Path, count: int) -> np.ndarray | None:
    """The kept array, or None if there is none or it is damaged (zip archives carry checksums)."""
    try:
        with np.load(cache, allow_pickle=False) as kept:
            pixels = kept["pixels"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return pixels if pixels.dtype == np.uint8 and pixels.ndim == 4 and len(pixels) == count else None


def _keep(cache: Path, pixels: np.ndarray) -> None:
    """Writes the array whole or not at all; a cache that cannot be written is no error."""
    with contextlib.suppress(OSError):
        cache.parent.mkdir(parents=True, exist_ok=True)
        with replacing(cache) as file:
            np.savez(file, pixels=pixels)
