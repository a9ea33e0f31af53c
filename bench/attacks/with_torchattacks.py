"""Attacks run by torchattacks.

What this file works around, all in torchattacks 3.5.1: attacks take the device of the model's first
parameter and print when there is none, so the images' device is set; ``PGDL2`` gives NaN at ε = 0 (the
harness never calls an attack there) and cannot read images that are not plainly contiguous.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import torchattacks
from jaxtyping import Float, Int64
from torch import Tensor, nn

from bench.errors import CellError


def fgsm(
    model: nn.Module, x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"], *, norm: str, eps: float
) -> Float[Tensor, "n c h w"]:
    """Fast gradient sign method (Goodfellow et al. 2015): one step of ε along the gradient's sign.

    Args:
        model: classifier of images in [0, 1], in eval mode with frozen parameters.
        x: images (n, c, h, w), float32 in [0, 1], contiguous.
        y: labels (n,), int64.
        norm: ``linf``.
        eps: radius in pixel units, above 0.

    Returns:
        Attacked images of the shape of ``x``.
    """
    if norm != "linf":
        raise CellError(f"torchattacks has no FGSM in norm {norm}")
    return _run(torchattacks.FGSM, model, x, y, eps=eps)


def pgd(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    norm: str,
    eps: float,
    alpha: float,
    steps: int,
    random_start: bool,
) -> Float[Tensor, "n c h w"]:
    """Projected gradient descent (Madry et al. 2018) on the cross-entropy; returns the last iterate.

    Args:
        model, x, y, eps: as for ``fgsm``.
        norm: ``linf`` or ``l2``.
        alpha: absolute step size in pixel units.
        steps: gradient steps.
        random_start: start from one random point of the ball, drawn from torch's global random state.

    Returns:
        Attacked images of the shape of ``x``.
    """
    attack = torchattacks.PGD if norm == "linf" else torchattacks.PGDL2
    return _run(attack, model, x, y, eps=eps, alpha=alpha, steps=steps, random_start=random_start)


def _run(attack: Any, model: nn.Module, x: Tensor, y: Tensor, **params: Any) -> Tensor:
    with contextlib.redirect_stdout(sys.stderr):
        ready = attack(model, **params)
        ready.set_device(x.device)
        return ready(x.contiguous(), y)
