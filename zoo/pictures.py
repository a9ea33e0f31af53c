"""Pictures as uint8 arrays, decoded as torchvision does, by Pillow.

Grey pictures (modes 1, L and LA) have one channel; all others become red, green and blue. Transparency is dropped, a
palette is looked up, CMYK is converted by Pillow's rule, and an orientation that EXIF names is not applied. Pictures of
more than 8 bits a channel would silently lose bits, so they are refused.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from zoo.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

SMALLEST = 8  # pixels along a side
GREY = {"1", "L", "LA"}
SUFFIXES = {".jpg", ".jpeg", ".png", ".ppm", ".pgm", ".bmp", ".tif", ".tiff", ".webp"}
TURNED = 0x0112  # EXIF's orientation, 1 for none
Resizing = Callable[["Image"], "Image"]


class DataError(UserError):
    """A fault of the data and its remedy, in one sentence."""


def read(path: Path, resized: Resizing | None = None) -> UInt8[np.ndarray, "*picture"]:
    """A file as uint8 (h, w), if it is grey, or (h, w, 3); DataError, which names it, where that cannot be."""
    from PIL import Image

    broken = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)
    try:
        with Image.open(path) as image:
            return pixels_of(image, str(path), resized)
    except broken as error:
        raise DataError(
            f"{path} cannot be read as an image ({type(error).__name__}): replace or remove it"
        ) from error


def pixels_of(image: Image, name: str, resized: Resizing | None = None) -> UInt8[np.ndarray, "*picture"]:
    """As ``read``, of an opened picture that messages call ``name``."""
    if image.mode[0] in "IF":
        raise DataError(f"{name} has more than 8 bits a channel ({image.mode}): convert it to 8 bits")
    image.info.pop("transparency", None)  # of a palette, which Pillow would warn of
    image = image.convert("L" if image.mode in GREY else "RGB")
    return np.asarray(resized(image) if resized else image)


def is_grey(path: Path) -> bool:
    """Whether the picture in a file is grey, by its first bytes; False for a file that is none."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return image.mode in GREY
    except Exception:  # reading it says what is wrong
        return False


def turned(path: Path) -> bool:
    """Whether EXIF says that a picture is turned or mirrored, which Pillow undoes in TIFF; False for a broken file."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return image.format != "TIFF" and image.getexif().get(TURNED, 1) != 1
    except Exception:  # reading it says what is wrong
        return False


def square(side: int | None) -> Resizing | None:
    """Resizes a picture to side × side, bicubic; `None` leaves it, and a side below 8 is a DataError."""
    if side is None:
        return None
    check_side(side)

    def resized(image: Image) -> Image:
        from PIL.Image import Resampling

        return image if image.size == (side, side) else image.resize((side, side), Resampling.BICUBIC)

    return resized


def check_side(side: int) -> None:
    """Raises DataError for a ``--resize`` below 8."""
    if side < SMALLEST:
        raise DataError(f"--resize {side}: the size must be {SMALLEST} or more")


def stacked(names: Sequence[str], images: Sequence[np.ndarray]) -> UInt8[np.ndarray, "n c h w"]:
    """Pictures, uint8 (h, w) or (h, w, 3), as one array: one channel if all are grey, else three.

    Raises DataError if their sizes differ.
    """
    first = images[0].shape[:2]
    usable = min(first) >= SMALLEST
    wish = f"{first[1]}×{first[0]} like the first" if usable else f"{SMALLEST} or more along each side"
    for name, image in zip(names, images, strict=True):
        height, width = image.shape[:2]
        if (height, width) != first or not usable:
            raise DataError(f"{name} is {width}×{height} pixels, not {wish}: use --resize N")
    if any(image.ndim == 3 for image in images):
        images = [image if image.ndim == 3 else np.stack([image] * 3, axis=-1) for image in images]
        return np.stack(images).transpose(0, 3, 1, 2)
    return np.stack(images)[:, None]
