"""The result of a cell."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

KEPT_IMAGES = 16  # number of a cell's images whose attacked versions are kept
IMAGES = ("image", "clean_image")  # arrays of pixels: most of a result's bytes, and only a gallery needs them


@dataclass(frozen=True, eq=False, kw_only=True)
class CellResult:
    """The result of a cell.

    Attributes:
        arrays: per-image arrays by name; the first axis is the shard's (``image_*`` arrays excepted).
        seconds: wall time.
        gradients: gradient evaluations, one per image and step.
        whole: the stored digest of all arrays, also of those that were not read; ``None`` of a fresh result.
    """

    arrays: dict[str, np.ndarray]
    seconds: float
    gradients: int
    whole: str | None = None

    @functools.cached_property
    def digest(self) -> str:
        """sha256 of the arrays: equal exactly if the results are equal bit for bit."""
        return self.whole or digest_of(self.arrays)


def digest_of(arrays: Mapping[str, np.ndarray]) -> str:
    """sha256 of arrays with their names, types and shapes."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"{name} {array.dtype.str} {array.shape};".encode())
        total.update(array.reshape(-1).view(np.uint8).data)
    return total.hexdigest()
