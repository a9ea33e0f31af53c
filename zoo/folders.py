"""Reads a folder of images (`PATH/train/CLASS/*.jpg`, `PATH/test/CLASS/*.jpg`) into one 8-bit array.

Decoded arrays are kept in the user's cache directory, one file for each listing of names, sizes and times.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import struct
import tempfile
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from zoo.errors import UserError
from zoo.notes import note_once

SUFFIXES = {".jpg", ".jpeg", ".png", ".ppm", ".pgm", ".bmp", ".tif", ".tiff", ".webp"}
GRAY = {"1", "L", "LA"}


class DataError(UserError):
    """What is wrong with the data and what to do about it, in one sentence."""


def read(
    folder: Path, split: str, resize: int | None
) -> tuple[UInt8[np.ndarray, "n c h h"], Int64[np.ndarray, " n"], tuple[str, ...]]:
    """Pixels uint8 (n, c, h, h), labels int64 (n,) and class names of a split, in order of class and path.

    Only this split is decoded. DataError names the folder or file that is missing, empty, unreadable or of
    the wrong size: images must be square, of one size divisible by 8 and at least 16; `resize` makes them so.
    """
    if resize is not None and not fits(resize):
        raise DataError(f"--resize {resize}: the size must be divisible by 8 and at least 16")
    classes = _classes(folder)
    left_out: Counter[str] = Counter()
    files = [_files(folder / split / name, left_out) for name in classes]
    _tell(folder / split, left_out)
    labels = np.repeat(np.arange(len(classes)), [len(group) for group in files])
    paths = [path for group in files for path in group]
    cache = _cache(folder, paths, resize)
    pixels = _recall(cache, len(paths))
    if pixels is None:
        pixels = _decode(paths, resize)
        _keep(cache, pixels)
    return pixels, labels, classes


def _classes(folder: Path) -> tuple[str, ...]:
    found = {}
    for split in ("train", "test"):
        inside = folder / split
        if not inside.is_dir():
            raise DataError(f"{inside} is missing: an image folder holds train/CLASS/ and test/CLASS/")
        found[split] = sorted(entry.name for entry in inside.iterdir() if entry.is_dir())
        if not found[split]:
            raise DataError(f"{inside} holds no class folders: put the images in {inside}/CLASS/")
    odd = sorted(set(found["train"]) ^ set(found["test"]))
    if odd:
        only = "train" if odd[0] in found["train"] else "test"
        raise DataError(f"class {odd[0]!r} of {folder} is in {only}/ only: both need the same classes")
    return tuple(found["test"])


def _files(folder: Path, left_out: Counter[str]) -> list[Path]:
    """The images of a class in order of their paths; other files that are not hidden are counted by suffix."""
    files = []
    for path in filter(Path.is_file, folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES:
            files.append(path)
        elif not path.name.startswith("."):
            left_out[path.suffix.lower() or "no suffix"] += 1
    if not files:
        raise DataError(f"{folder} holds no images: put some there or remove the class from train/ and test/")
    return sorted(files, key=lambda path: path.relative_to(folder).as_posix())


def _tell(folder: Path, left_out: Counter[str]) -> None:
    """Says, once a run, what lies among the images and is none."""
    if left_out:
        kinds = ", ".join(f"{count} × {suffix}" for suffix, count in sorted(left_out.items()))
        note_once(f"{left_out.total()} files of {folder} are no images and are left out ({kinds})")


def _decode(paths: list[Path], resize: int | None) -> UInt8[np.ndarray, "n c h h"]:
    """All images as uint8 (n, c, h, h): one channel if every file is grey, else three."""
    images = [_open(path, resize) for path in paths]
    first = images[0].shape[:2]
    usable = first[0] == first[1] and fits(first[0])
    wish = f"{first[1]}×{first[0]} like the first" if usable else "square, divisible by 8 and at least 16"
    for path, image in zip(paths, images, strict=True):
        height, width = image.shape[:2]
        if (height, width) != first or not usable:
            raise DataError(f"{path} is {width}×{height} pixels, not {wish}: use --resize N")
    if any(image.ndim == 3 for image in images):
        images = [image if image.ndim == 3 else np.stack([image] * 3, axis=-1) for image in images]
        return np.stack(images).transpose(0, 3, 1, 2)
    return np.stack(images)[:, None]


def _open(path: Path, resize: int | None) -> np.ndarray:
    """One file as uint8 (h, w), if it is grey, or (h, w, 3)."""
    from PIL import Image

    broken = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)
    try:
        with Image.open(path) as image:
            if image.mode[0] in "IF":
                raise DataError(f"{path} has more than 8 bits a channel ({image.mode}): convert it to 8 bits")
            image = image.convert("L" if image.mode in GRAY else "RGB")
            if resize is not None and image.size != (resize, resize):
                image = image.resize((resize, resize), Image.Resampling.BICUBIC)
            return np.asarray(image)
    except broken as error:
        raise DataError(
            f"{path} cannot be read as an image ({type(error).__name__}): replace or remove it"
        ) from error


def fits(size: int) -> bool:
    """Whether square images of this side go through every model of the zoo."""
    return size >= 16 and size % 8 == 0


def _cache(folder: Path, paths: list[Path], resize: int | None) -> Path:
    import PIL

    listing = []
    for path in paths:
        info = path.stat()
        listing.append((path.relative_to(folder).as_posix(), info.st_size, info.st_mtime_ns))
    key = json.dumps([PIL.__version__, resize, str(folder.resolve()), listing]).encode()
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "symbench" / f"{hashlib.sha256(key).hexdigest()}.npz"


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
        with tempfile.NamedTemporaryFile(dir=cache.parent, suffix=".tmp", delete=False) as file:
            try:
                np.savez(file, pixels=pixels)
                file.close()
                os.replace(file.name, cache)
            except BaseException:
                os.unlink(file.name)
                raise
