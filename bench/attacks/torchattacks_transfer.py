"""Attacks of torchattacks that are made to transfer: on the model itself, or on a surrogate of it.

What this file works around in torchattacks 3.5.1: all divide by the mean size of the gradient, so an image without
one ends as NaN, and stays the clean one here; those that resize take square images, and ``TIFGSM`` three channels.
"""

from __future__ import annotations

from typing import Any

import torch
import torchattacks
from jaxtyping import Float, Int64
from torch import Tensor, nn

from bench.attacks.torchattacks_model import run_aimed
from bench.errors import CellError

Images = Float[Tensor, "n c h w"]
Labels = Int64[Tensor, " n"]


def mi_fgsm(
    model: nn.Module,
    x: Images,
    y: Labels,
    *,
    norm: str,
    eps: float,
    alpha: float,
    steps: int,
    target: Labels | None = None,
) -> Images:
    """Momentum iterative FGSM (Dong et al. 2018): steps along the sign of the gradients' running sum.

    Args:
        model: gives the gradients; the attacked model or a surrogate, in eval mode with frozen parameters.
        x: images (n, c, h, w), float32 in [0, 1].
        y: labels (n,), int64.
        norm: ``linf``.
        eps: radius in pixel units, above 0.
        alpha: absolute step size in pixel units.
        steps: gradient steps.
        target: (n,) int64, the class each image is to be taken for; ``None`` for any wrong one.

    Returns:
        Attacked images of the shape of ``x``, the last iterates.

    Raises:
        CellError: another norm, or images that it does not accept.
    """
    return _followed(torchattacks.MIFGSM, model, x, y, target, norm, eps=eps, alpha=alpha, steps=steps)


def ni_fgsm(
    model: nn.Module,
    x: Images,
    y: Labels,
    *,
    norm: str,
    eps: float,
    alpha: float,
    steps: int,
    target: Labels | None = None,
) -> Images:
    """Nesterov iterative FGSM (Lin et al.

    2020): gradients are taken at the point one momentum step ahead; else as ``mi_fgsm``.
    """
    return _followed(torchattacks.NIFGSM, model, x, y, target, norm, eps=eps, alpha=alpha, steps=steps)


def di_fgsm(
    model: nn.Module,
    x: Images,
    y: Labels,
    *,
    norm: str,
    eps: float,
    alpha: float,
    steps: int,
    target: Labels | None = None,
) -> Images:
    """Diverse inputs (Xie et al. 2019): half of the gradients are of the images shrunk and padded at random.

    No momentum, as in torchattacks. Images must be square. Else as ``mi_fgsm``.
    """
    _check_square(x)
    return _followed(torchattacks.DIFGSM, model, x, y, target, norm, eps=eps, alpha=alpha, steps=steps)


def ti_fgsm(
    model: nn.Module,
    x: Images,
    y: Labels,
    *,
    norm: str,
    eps: float,
    alpha: float,
    steps: int,
    target: Labels | None = None,
) -> Images:
    """Translation-invariant (Dong et al. 2019): as ``di_fgsm``, with gradients blurred by a Gaussian of 15 × 15 pixels.

    Images must have three channels.
    """
    _check_square(x)
    if x.shape[1] != 3:
        raise CellError(
            f"torchattacks' TI-FGSM takes images of 3 channels, and these have {x.shape[1]}; use di_fgsm"
        )
    return _followed(torchattacks.TIFGSM, model, x, y, target, norm, eps=eps, alpha=alpha, steps=steps)


def vmi_fgsm(
    model: nn.Module,
    x: Images,
    y: Labels,
    *,
    norm: str,
    eps: float,
    alpha: float,
    steps: int,
    target: Labels | None = None,
) -> Images:
    """Variance tuning (Wang & He 2021): the mean gradient of five points around corrects the next step.

    Each step costs six gradients. Else as ``mi_fgsm``.
    """
    return _followed(torchattacks.VMIFGSM, model, x, y, target, norm, eps=eps, alpha=alpha, steps=steps)


def _check_square(x: Images) -> None:
    if x.shape[2] != x.shape[3]:
        raise CellError(
            f"torchattacks resizes square images, and these are {x.shape[2]}×{x.shape[3]}; use mi_fgsm"
        )


def _followed(
    attack: Any, model: nn.Module, x: Images, y: Labels, target: Labels | None, norm: str, **params: Any
) -> Images:
    if norm != "linf":
        raise CellError(f"torchattacks has no {attack.__name__} in norm {norm}")
    images = run_aimed(attack, model, x, y, target, **params)
    return torch.where(torch.isfinite(images), images, x)
