"""Images and labels from memory, as torch, NumPy or plain lists hold them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from bench.errors import UsageError


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ArrayData:
    """Images from memory in the order they were given; answers like ``zoo.data.Dataset``."""

    name: str
    x: Float32[Tensor, "n c h w"]
    labels: Int64[np.ndarray, " n"]
    classes: tuple[str, ...]
    sha256: str

    def __len__(self) -> int:
        return len(self.x)

    def images(self, first: int = 0, count: int | None = None) -> Float32[Tensor, "count c h w"]:
        """Images ``first`` to ``first + count``: (count, c, h, w), float32 in [0, 1]."""
        return self.x[first : None if count is None else first + count].clone()


def array_data(
    name: str, x: Tensor | np.ndarray | Sequence[Any], y: Tensor | np.ndarray | Sequence[Any]
) -> ArrayData:
    """Images and labels that can be measured; what was given stays as it is.

    Args:
        name: of the data set.
        x: images (n, c, h, w), floats in [0, 1].
        y: labels (n,), integers from 0 of any width.

    Raises:
        UsageError: they are of another shape or type, or hold values that cannot be.
    """
    x, y = _array(x, "x"), _array(y, "y")
    if x.ndim != 4 or x.dtype.kind != "f":
        raise UsageError(f"x is {x.dtype} of shape {x.shape}; it must be float images (n, c, h, w)")
    if len(x) == 0 or y.shape != (len(x),):
        raise UsageError(f"{len(x)} images were given with labels of shape {y.shape}")
    _check_pixels(x)
    if y.dtype.kind not in "iub":
        raise UsageError(f"y holds {y.dtype}; y must hold class numbers from 0, as integers")
    if (least := int(y.min())) < 0:
        raise UsageError(f"y holds the label {least}; y must hold class numbers from 0")
    images = torch.from_numpy(np.array(x, np.float32, order="C"))
    labels = y.astype(np.int64)
    return ArrayData(
        name=name,
        x=images,
        labels=labels,
        classes=tuple(str(i) for i in range(int(labels.max()) + 1)),
        sha256=hashlib.sha256(images.numpy().tobytes() + labels.tobytes()).hexdigest(),
    )


def _array(values: Any, name: str) -> np.ndarray:
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        return (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    try:
        return np.asarray(values)
    except (TypeError, ValueError) as fault:
        raise UsageError(f"{name} is a {type(values).__name__} that makes no array: {fault}") from fault


def _check_pixels(x: np.ndarray) -> None:
    whole = np.isfinite(x).all(axis=(1, 2, 3))
    if not whole.all():
        first = int(np.argmin(whole))
        found = x[first][~np.isfinite(x[first])].flat[0]
        raise UsageError(
            f"image {first} of x holds a pixel that is not finite ({found}), as do {np.sum(~whole)} of {len(x)} "
            "images; every pixel must lie in [0, 1]"
        )
    low, high = float(x.min()), float(x.max())
    if low < 0 or high > 1:
        raise UsageError(
            f"x spans {low:.4g} to {high:.4g}, not [0, 1]; put the normalisation inside the model"
        )
