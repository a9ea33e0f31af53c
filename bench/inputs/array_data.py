"""Images and labels from memory: torch tensors, NumPy arrays or plain lists."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from bench.errors import UsageError

CHUNK = 256  # images that are checked together


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ArrayData:
    """Images from memory in the given order; has the methods of ``zoo.data.Dataset``.

    Attributes:
        pixels: (n, c, h, w) floats of any width, unchanged.
    """

    name: str
    pixels: Float[np.ndarray, "n c h w"]
    labels: Int64[np.ndarray, " n"]
    classes: tuple[str, ...]
    sha256: str

    def __len__(self) -> int:
        return len(self.pixels)

    def images(self, first: int = 0, count: int | None = None) -> Float32[Tensor, "count c h w"]:
        """Images ``first`` to ``first + count``: (count, c, h, w), float32 in [0, 1]."""
        return torch.from_numpy(_float32(self.pixels[first : None if count is None else first + count]))


def array_data(
    name: str, x: Tensor | np.ndarray | Sequence[Any], y: Tensor | np.ndarray | Sequence[Any]
) -> ArrayData:
    """Checked images and labels; the given arrays are not changed and not copied as a whole.

    Args:
        name: of the data set.
        x: images (n, c, h, w), floats in [0, 1].
        y: labels (n,), integers from 0 of any width.

    Raises:
        UsageError: the shape, the type or a value is wrong.
    """
    x, y = as_array(x, "x"), as_array(y, "y")
    if x.ndim == 4 and (len(x) == 0 or y.shape != (len(x),)):
        raise UsageError(
            f"{len(x)} images were given with labels of shape {y.shape}; one whole number for each image is needed"
        )
    check_pixels(x)
    labels, total = check_labels(y), hashlib.sha256()
    for start in range(0, len(x), CHUNK):
        total.update(_float32(x[start : start + CHUNK]).data)
    total.update(labels.tobytes())
    return ArrayData(
        name=name,
        pixels=x,
        labels=labels,
        classes=tuple(str(i) for i in range(int(labels.max()) + 1)),
        sha256=total.hexdigest(),
    )


def as_array(values: Any, name: str) -> np.ndarray:
    """Values as an array, which may share their memory; ``UsageError`` if they make no array."""
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        return (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    try:
        return np.asarray(values)
    except (TypeError, ValueError) as fault:
        raise UsageError(f"{name} is a {type(values).__name__} that makes no array: {fault}") from fault


def check_labels(y: np.ndarray) -> Int64[np.ndarray, " n"]:
    """Labels as int64; ``UsageError`` for values that are not labels."""
    if y.dtype.kind not in "iub":
        raise UsageError(f"y holds {y.dtype}; y must hold class numbers from 0, as integers")
    if (least := int(y.min())) < 0:
        raise UsageError(f"y holds the label {least}; y must hold class numbers from 0")
    return y.astype(np.int64)


def check_pixels(x: np.ndarray, what: str = "x") -> None:
    """Raises ``UsageError`` unless these are images (n, c, h, w), floats in [0, 1], called ``what``."""
    if _channels_last(x.shape):
        raise UsageError(
            f"{what} has shape {x.shape} and looks like (n, h, w, c); use x.permute(0, 3, 1, 2), of an array "
            "x.transpose(0, 3, 1, 2)"
        )
    if x.ndim != 4 or x.dtype.kind != "f":
        remedy = "; divide by 255" if x.dtype == np.uint8 else ""
        raise UsageError(
            f"{what} is {x.dtype} of shape {x.shape}; it must be float images (n, c, h, w){remedy}"
        )
    parts = [x[start : start + CHUNK] for start in range(0, len(x), CHUNK)]
    whole = np.concatenate([np.isfinite(part).all(axis=(1, 2, 3)) for part in parts])
    if not whole.all():
        broken = int(np.argmin(whole))
        found = x[broken][~np.isfinite(x[broken])].flat[0]
        raise UsageError(
            f"image {broken} of {what} holds a pixel that is not finite ({found}), as do {np.sum(~whole)} of "
            f"{len(x)} images; every pixel must lie in [0, 1]"
        )
    low, high = min(float(part.min()) for part in parts), max(float(part.max()) for part in parts)
    if low < 0 or high > 1:
        bytes_ = low >= 0 and 2 < high <= 255
        remedy = "divide by 255" if bytes_ else "put the normalisation inside the model"
        raise UsageError(f"{what} spans {low:.4g} to {high:.4g}, not [0, 1]; {remedy}")


def _channels_last(shape: tuple[int, ...]) -> bool:
    """Whether images have their colours last; one column is a colour only where the rest is square."""
    if len(shape) != 4 or min(shape[1:3]) <= 4:
        return False
    return shape[3] == 3 or (shape[3] == 1 and shape[1] == shape[2])


def _float32(x: Float[np.ndarray, "n c h w"]) -> Float32[np.ndarray, "n c h w"]:
    return np.array(x, np.float32, order="C")
