"""Pixel attacks run by torchattacks.

What this file works around in torchattacks 3.5.1: ``Pixle`` takes the columns of an image for its rows where it writes,
so images that are not square would fail or stay untouched in part.
"""

from __future__ import annotations

from typing import Any

import torchattacks
from jaxtyping import Float, Int64
from torch import Tensor, nn

from bench.attacks.torchattacks_model import run_aimed
from bench.errors import CellError


def pixle(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    norm: str,
    eps: float,
    queries: int,
    target: Int64[Tensor, " n"] | None = None,
) -> Float[Tensor, "n c h w"]:
    """Pixle (Pomponi et al. 2022) with patches of one pixel: a pixel takes the place of another, ε times.

    Each time the best of several random copies counts, by the probability of the label or the target. Images are
    attacked one by one; chance comes from numpy's global random state.

    Args:
        model: classifier of images in [0, 1], in eval mode.
        x: square images (n, c, h, h), float32 in [0, 1].
        y: labels (n,), int64.
        norm: ``l0``.
        eps: pixels that may change, at least 1.
        queries: copies tried on each image, shared evenly among the ε pixels, at least one each.

    Returns:
        Images of the shape of ``x``.

    Raises:
        CellError: another norm, or images that are not square.
    """
    if norm != "l0":
        raise CellError(f"torchattacks has no Pixle in norm {norm}")
    if x.shape[2] != x.shape[3]:
        raise CellError(
            f"torchattacks' Pixle takes square images, and these are {x.shape[2]}×{x.shape[3]}; resize them"
        )
    pixels = int(eps)
    tries = max(1, queries // pixels)
    one: dict[str, Any] = {"x_dimensions": (1, 1), "y_dimensions": (1, 1)}
    return run_aimed(torchattacks.Pixle, model, x, y, target, restarts=pixels, max_iterations=tries, **one)
