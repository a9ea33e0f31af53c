"""Decodes the pictures of a large folder one by one into a file; images are read from it."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from jaxtyping import UInt8

from zoo import pictures, stored
from zoo.pictures import Resizing
from zoo.stored import StoredPixels, stored_pixels
from zoo.whole import replacing

_NAME = "images"


def kept_pixels(cache: Path, count: int) -> StoredPixels | None:
    """The images that `decoded_pixels` wrote into a file; None if there are none, other ones or damaged ones."""
    with contextlib.suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        pixels = stored_pixels(cache, _NAME)
        return pixels if pixels is not None and len(pixels) == count else None
    return None


def decoded_pixels(paths: Sequence[Path], resized: Resizing | None, cache: Path) -> StoredPixels | None:
    """All pictures, written into a file of the cache; None if they are few, or the file cannot be written.

    No more than two are in memory. Raises DataError as `pictures.stacked`.
    """
    first = pictures.read(paths[0], resized)
    if first.shape[0] * first.shape[1] * 3 * len(paths) < stored.LARGE:
        return None
    with contextlib.suppress(OSError):
        cache.parent.mkdir(parents=True, exist_ok=True)
        with replacing(cache) as file:
            _write(file, paths, resized, first)
        return kept_pixels(cache, len(paths))
    return None


def _write(
    file: BinaryIO, paths: Sequence[Path], resized: Resizing | None, first: UInt8[np.ndarray, "*picture"]
) -> None:
    height, width = first.shape[:2]
    channels = 1 if all(map(pictures.is_grey, paths)) else 3
    with (
        zipfile.ZipFile(file, "w") as packed,
        packed.open(f"{_NAME}.npy", "w", force_zip64=True) as member,
    ):
        shape = (len(paths), height, width, channels)
        np.lib.format.write_array_header_1_0(
            cast(BinaryIO, member), {"descr": "|u1", "fortran_order": False, "shape": shape}
        )
        for path in paths:
            image = pictures.read(path, resized)
            pictures.stacked((str(paths[0]), str(path)), (first, image))  # of one size
            image = image if image.ndim == 3 else np.stack([image] * channels, axis=-1)
            member.write(np.ascontiguousarray(image).data)
