"""Reads CIFAR-10-C (Hendrycks & Dietterich, ICLR 2019) from its files, without loading them whole.

The directory holds one file for each corruption, `<corruption>.npy`: uint8 (5m, 32, 32, 3), the m test images
at severity 1, then at severity 2, … 5; and `labels.npy`: (5m,) integers 0 to 9, the same m labels five times.
In the published set m is 10,000, in the order of the files of CIFAR-10; any m is read.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from zoo.file_digest import file_digest
from zoo.grouped import SEVERITIES
from zoo.pictures import DataError

NAMES = (
    "gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur",
    "snow", "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate", "jpeg_compression",
    "speckle_noise", "gaussian_blur", "spatter", "saturate",
)  # fmt: skip
BENCHMARK = NAMES[:15]  # mean corruption errors are over these; the last four are extra

_REMEDY = "unpack CIFAR-10-C (zenodo.org/records/2535967) and say where it is with --data-root PATH"
_SIDE = 32


class CifarPixels:
    """The images of some of the files, base image by base image, each under every corruption and severity.

    Args:
        files: memory-mapped uint8 (5m, 32, 32, 3), one for each corruption.
        places: (m,) the base images' order.
    """

    def __init__(self, files: Sequence[np.ndarray], places: Int64[np.ndarray, " m"]) -> None:
        self._files, self._places = tuple(files), places

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, 3, 32, 32), n of all corrupted images."""
        return (len(self), 3, _SIDE, _SIDE)

    def __len__(self) -> int:
        return len(self._places) * len(self._files) * SEVERITIES

    def __getitem__(self, chosen: Any) -> UInt8[np.ndarray, "n c h w"]:
        """The images of a slice; no others are read."""
        images = [self._image(index) for index in range(*chosen.indices(len(self)))]
        if not images:
            return np.empty((0, 3, _SIDE, _SIDE), np.uint8)
        return np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2))

    def _image(self, index: int) -> UInt8[np.ndarray, "h w c"]:
        group, severity = divmod(index, SEVERITIES)
        base, corruption = divmod(group, len(self._files))
        return self._files[corruption][severity * len(self._places) + self._places[base]]


def chosen_names(name: str | None) -> tuple[str, ...]:
    """All corruptions, or the one named; DataError for another name."""
    if name is None:
        return NAMES
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, n=2, cutoff=0.5)
        known = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(NAMES)}"
        raise DataError(f"unknown corruption {name!r} of CIFAR-10-C: {known}")
    return (name,)


def read_labels(root: Path) -> Int64[np.ndarray, " m"]:
    """The labels (m,) of the base images; `root` is as `directory` gives it."""
    path = root / "labels.npy"
    labels = _opened(path)
    count, rest = divmod(len(labels), SEVERITIES) if labels.ndim == 1 else (0, 0)
    if not count or rest or labels.dtype.kind not in "iu" or not 0 <= labels.min() <= labels.max() <= 9:
        raise DataError(f"{path} does not hold 5 times the same labels 0 to 9: {_REMEDY}")
    blocks = np.asarray(labels, dtype=np.int64).reshape(SEVERITIES, count)
    if (blocks != blocks[0]).any():
        raise DataError(f"{path} does not hold 5 times the same labels 0 to 9: {_REMEDY}")
    return blocks[0]


def open_files(root: Path, names: Sequence[str], count: int) -> list[np.ndarray]:
    """The files of the corruptions, memory-mapped, for `count` base images."""
    return [_checked(root / f"{name}.npy", count) for name in names]


def directory(root: Path) -> Path:
    """The directory of the files: `root` itself or the CIFAR-10-C in it; DataError if neither has labels."""
    for place in (root, root / "CIFAR-10-C"):
        if (place / "labels.npy").is_file():
            return place
    raise DataError(f"CIFAR-10-C is not in {root}: {_REMEDY}")


def digest(root: Path, names: Sequence[str]) -> str:
    """sha256 of the labels' and the corruptions' files."""
    return file_digest("cifar10c", [(name, root / f"{name}.npy") for name in ("labels", *names)])


def _checked(path: Path, count: int) -> np.ndarray:
    images = _opened(path)
    shape = (SEVERITIES * count, _SIDE, _SIDE, 3)
    if images.dtype != np.uint8 or images.shape != shape:
        raise DataError(
            f"{path} holds {images.dtype} of shape {images.shape}, not uint8 of {shape}, "
            f"5 times as many as there are base images: {_REMEDY}"
        )
    return images


def _opened(path: Path) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise DataError(f"{path} is missing: {_REMEDY}") from None
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} is damaged ({' '.join(str(error).split())}): {_REMEDY}") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path} is an archive and no array: {_REMEDY}")
    return array
