"""The result of a cell."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass

import numpy as np

KEPT_IMAGES = 16  # number of a cell's images whose attacked versions are kept


@dataclass(frozen=True, eq=False, kw_only=True)
class CellResult:
    """The result of a cell.

    Attributes:
        arrays: per-image arrays by name; the first axis is the shard's (``image_*`` arrays excepted).
        seconds: wall time.
        gradients: gradient evaluations, one per image and step.
    """

    arrays: dict[str, np.ndarray]
    seconds: float
    gradients: int

    @functools.cached_property
    def digest(self) -> str:
        """sha256 of the arrays: equal exactly if the results are equal bit for bit."""
        total = hashlib.sha256()
        for name in sorted(self.arrays):
            array = np.ascontiguousarray(self.arrays[name])
            total.update(f"{name} {array.dtype.str} {array.shape};".encode())
            total.update(array.reshape(-1).view(np.uint8).data)
        return total.hexdigest()
