"""Attacks run by torchattacks.

What this file works around, all in torchattacks 3.5.1: attacks take the device of the model's first parameter and print
when there is none, so the images' device is set; ``Square`` writes into the logits it is given, a class called
``RobModel`` makes every attack undo a normalisation, and ``PGDL2`` cannot read gradients or images that are not plainly
contiguous, so attacks see the model through ``Guarded``; ``Square`` in L2 breaks down at some image sizes and the DLR
losses at few classes, which raises an error with a clear message; ``PGDL2`` gives NaN at ε = 0 (the harness never calls
an attack there).

This file does not change the following, since results are the library's own, bit for bit:

- ``APGD``, ``APGDT``, ``FAB``, ``Square`` and ``AutoAttack`` give the clean image back where they failed.
- ``APGDT`` in L2 takes the first image's step size for the whole batch: its results depend on the batch.
- ``FAB`` aimed at classes starts at the image itself: it has nothing random, and no second start.
- ``Square`` stops at logits that tie, and then gives the clean image back if the label comes first.
- A NaN counts as the largest logit: where the label comes first, the image counts as rightly classified.
"""

from __future__ import annotations

import torchattacks
from jaxtyping import Float, Int64
from torch import Tensor, nn

from bench.attacks.torchattacks_auto import (
    apgd_ce,
    apgd_dlr,
    apgd_t,
    autoattack,
    autoattack_plus,
    autoattack_rand,
    fab_t,
    square,
)
from bench.attacks.torchattacks_model import run_aimed
from bench.attacks.torchattacks_pixels import pixle
from bench.attacks.torchattacks_transfer import di_fgsm, mi_fgsm, ni_fgsm, ti_fgsm, vmi_fgsm
from bench.errors import CellError

__all__ = [
    "apgd_ce",
    "apgd_dlr",
    "apgd_t",
    "autoattack",
    "autoattack_plus",
    "autoattack_rand",
    "di_fgsm",
    "eot_pgd",
    "fab_t",
    "fgsm",
    "mi_fgsm",
    "ni_fgsm",
    "pgd",
    "pgd_t",
    "pixle",
    "square",
    "ti_fgsm",
    "vmi_fgsm",
]


def fgsm(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    norm: str,
    eps: float,
    target: Int64[Tensor, " n"] | None = None,
) -> Float[Tensor, "n c h w"]:
    """Fast gradient sign method (Goodfellow et al. 2015): one step of ε along the gradient's sign.

    Args:
        model: classifier of images in [0, 1], in eval mode with frozen parameters.
        x: images (n, c, h, w), float32 in [0, 1].
        y: labels (n,), int64.
        norm: ``linf``.
        eps: radius in pixel units, above 0.
        target: (n,) int64, the class each image is to be taken for; ``None`` for any wrong one.

    Returns:
        Attacked images of the shape of ``x``.
    """
    if norm != "linf":
        raise CellError(f"torchattacks has no FGSM in norm {norm}")
    return run_aimed(torchattacks.FGSM, model, x, y, target, eps=eps)


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
    target: Int64[Tensor, " n"] | None = None,
) -> Float[Tensor, "n c h w"]:
    """Projected gradient descent (Madry et al. 2018) on the cross-entropy; returns the last iterate.

    With a target it lowers the cross-entropy of that class and ignores the labels.

    Args:
        model, x, y, eps, target: as for ``fgsm``.
        norm: ``linf`` or ``l2``.
        alpha: absolute step size in pixel units.
        steps: gradient steps.
        random_start: start from one random point of the ball, drawn from torch's global random state.

    Returns:
        Attacked images of the shape of ``x``.
    """
    attack = torchattacks.PGD if norm == "linf" else torchattacks.PGDL2
    params = {"eps": eps, "alpha": alpha, "steps": steps, "random_start": random_start}
    return run_aimed(attack, model, x, y, target, **params)


pgd_t = pgd  # the judge always gives a target


def eot_pgd(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    norm: str,
    eps: float,
    alpha: float,
    steps: int,
    random_start: bool,
    eot: int,
    target: Int64[Tensor, " n"] | None = None,
) -> Float[Tensor, "n c h w"]:
    """PGD on the expectation over transformation (Athalye et al. 2018); returns the last iterate.

    Args:
        model, x, y, eps, alpha, steps, random_start, target: as for ``pgd``.
        norm: ``linf``.
        eot: passes through the model whose gradients are summed for one step.

    Returns:
        Attacked images of the shape of ``x``.
    """
    if norm != "linf":
        raise CellError(f"torchattacks has no EOTPGD in norm {norm}")
    params = {"eps": eps, "alpha": alpha, "steps": steps, "random_start": random_start}
    return run_aimed(torchattacks.EOTPGD, model, x, y, target, eot_iter=eot, **params)
