"""Attacks run by foolbox.

What this file works around, all in foolbox 3.3.4: models are moved to the first GPU unless a device is
given; step sizes are relative unless the absolute one is set; bounds are asserted without a message, so
they are fixed at [0, 1], which the harness has checked; the unclipped result may leave the ball, so the
clipped one is returned.
"""

from __future__ import annotations

from typing import Any

import foolbox
from jaxtyping import Float, Int64
from torch import Tensor, nn

from bench.errors import CellError


def fgsm(
    model: nn.Module, x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"], *, norm: str, eps: float
) -> Float[Tensor, "n c h w"]:
    """Fast gradient method: one step of ε along the gradient's sign (L∞) or direction (L2).

    Args:
        model: classifier of images in [0, 1], in eval mode with frozen parameters.
        x: images (n, c, h, w), float32 in [0, 1], contiguous.
        y: labels (n,), int64.
        norm: ``linf`` or ``l2``.
        eps: radius in pixel units, above 0.

    Returns:
        Attacked images of the shape of ``x``.
    """
    attacks = {
        "linf": foolbox.attacks.LinfFastGradientAttack,
        "l2": foolbox.attacks.L2FastGradientAttack,
    }
    return _run(_of_norm(attacks, norm)(random_start=False), model, x, y, eps)


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
        model, x, y, norm, eps: as for ``fgsm``.
        alpha: absolute step size in pixel units.
        steps: gradient steps.
        random_start: start from one random point of the ball, drawn from torch's global random state.

    Returns:
        Attacked images of the shape of ``x``.
    """
    attacks = {
        "linf": foolbox.attacks.LinfPGD,
        "l2": foolbox.attacks.L2ProjectedGradientDescentAttack,
    }
    attack = _of_norm(attacks, norm)(abs_stepsize=alpha, steps=steps, random_start=random_start)
    return _run(attack, model, x, y, eps)


def _of_norm(attacks: dict[str, Any], norm: str) -> Any:
    if norm not in attacks:
        raise CellError(f"foolbox adapter has no attack in norm {norm}")
    return attacks[norm]


def _run(attack: Any, model: nn.Module, x: Tensor, y: Tensor, eps: float) -> Tensor:
    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device=x.device)
    _, clipped, _ = attack(wrapped, x.contiguous(), y, epsilons=eps)
    return clipped
