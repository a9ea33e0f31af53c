"""Reads labelled images from an `.npz` file with the keys of the Keras layout. Nothing is unpickled."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from zoo.pictures import SMALLEST, DataError
from zoo.stored import StoredPixels, stored_pixels
from zoo.unpacked import unpacked_pixels


def read(
    path: Path, split: str
) -> tuple[UInt8[np.ndarray, "n c h w"] | StoredPixels, Int64[np.ndarray, " n"], tuple[str, ...]]:
    """Pixels uint8 (n, c, h, w), labels int64 (n,) and class names of a split, in the order of the file.

    The file holds `x_SPLIT`, uint8 (n, h, w), (n, h, w, 1) or (n, h, w, 3) with sides of 8 or more, and `y_SPLIT`,
    integers (n,) or (n, 1) from 0. `classes`, the names by label, is optional; without it classes are called by
    their number. Pixels of 256 MB or more are read when they are requested, compressed
    ones from a copy in the cache.

    Raises:
        DataError: a file or key that is missing or of another kind, in one sentence with the remedy.
    """
    pixels, labels, names = _arrays(path, split)
    if not isinstance(pixels, StoredPixels):
        if pixels.dtype != np.uint8 or pixels.ndim not in (3, 4):
            raise DataError(
                f"x_{split} of {path} is {_kind(pixels)}: save uint8 (n, height, width, channels)"
            )
        pixels = (pixels[..., None] if pixels.ndim == 3 else pixels).transpose(0, 3, 1, 2)
    channels, height, width = pixels.shape[1:]
    if min(height, width) < SMALLEST or channels not in (1, 3):
        raise DataError(
            f"the images of {path} are {width}×{height} with {channels} channels: "
            f"use some of {SMALLEST} or more along each side, with 1 or 3 channels"
        )
    if labels.dtype.kind not in "iu" or labels.shape not in ((len(pixels),), (len(pixels), 1)):
        raise DataError(f"y_{split} of {path} is {_kind(labels)}: save {len(pixels)} integers, one an image")
    labels = labels.reshape(-1).astype(np.int64)
    count = int(labels.max(initial=-1)) + 1 if names is None else len(names)
    if not len(labels) or labels.min() < 0 or labels.max() >= count:
        raise DataError(f"y_{split} of {path} must hold labels from 0 to {max(count, 1) - 1}, at least one")
    return pixels, labels, names or tuple(str(label) for label in range(count))


def _arrays(path: Path, split: str) -> tuple[np.ndarray | StoredPixels, np.ndarray, tuple[str, ...] | None]:
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [key for key in (f"x_{split}", f"y_{split}") if key not in file]
            if missing:
                raise DataError(f"{path} has no {missing[0]}: it holds {', '.join(file) or 'nothing'}")
            names = tuple(str(name) for name in file["classes"].reshape(-1)) if "classes" in file else None
            pixels = stored_pixels(path, f"x_{split}") or unpacked_pixels(path, f"x_{split}")
            return file[f"x_{split}"] if pixels is None else pixels, file[f"y_{split}"], names
    except FileNotFoundError:
        raise DataError(f"{path} is missing: give the path of an .npz file") from None
    except (OSError, ValueError, AttributeError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"{path} cannot be read as an .npz file of plain arrays ({type(error).__name__}): save it with numpy.savez"
        ) from error


def _kind(array: np.ndarray) -> str:
    return f"{array.dtype} {array.shape}"
