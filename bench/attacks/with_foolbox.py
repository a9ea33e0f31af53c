"""Attacks run by foolbox.

What this file works around, all in foolbox 3.3.4: step sizes are relative unless the absolute one is set;
FGSM refuses targets, so one step of PGD takes its place there;
the unclipped result may leave the ball, so the clipped one is returned. The minimum-norm and the spatial
attacks have files of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import eagerpy as ep
import foolbox
from jaxtyping import Float, Int64
from torch import Tensor, nn

from bench.attacks import losses
from bench.attacks.foolbox_brendel_bethge import brendel_bethge
from bench.attacks.foolbox_decisions import boundary, hopskipjump
from bench.attacks.foolbox_minimum import cw, ddn, deepfool, ead, fmn
from bench.attacks.foolbox_model import wrapped
from bench.attacks.foolbox_spatial import spatial_grid, spatial_random
from bench.errors import CellError

__all__ = [
    "boundary",
    "brendel_bethge",
    "cw",
    "ddn",
    "deepfool",
    "ead",
    "fgsm",
    "fmn",
    "hopskipjump",
    "pgd",
    "pgd_dlr",
    "pgd_margin",
    "slide",
    "spatial_grid",
    "spatial_random",
]
PGD = {
    "linf": foolbox.attacks.LinfPGD,
    "l2": foolbox.attacks.L2ProjectedGradientDescentAttack,
    "l1": foolbox.attacks.L1PGD,
}


def fgsm(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    norm: str,
    eps: float,
    target: Int64[Tensor, " n"] | None = None,
) -> Float[Tensor, "n c h w"]:
    """Fast gradient method: one step of ε along the gradient's sign (L∞) or direction (L2, L1).

    Args:
        model: classifier of images in [0, 1], in eval mode with frozen parameters.
        x: images (n, c, h, w), float32 in [0, 1], contiguous.
        y: labels (n,), int64.
        norm: ``linf``, ``l2`` or ``l1``.
        eps: radius in pixel units, above 0.
        target: (n,) int64, the class each image is to be taken for; ``None`` for any wrong one.

    Returns:
        Attacked images of the shape of ``x``.
    """
    attacks = {
        "linf": foolbox.attacks.LinfFastGradientAttack,
        "l2": foolbox.attacks.L2FastGradientAttack,
        "l1": foolbox.attacks.L1FastGradientAttack,
    }
    if target is None:
        return _run(_of_norm(attacks, norm)(random_start=False), model, x, y, eps)
    one_step = _of_norm(PGD, norm)(rel_stepsize=1.0, steps=1, random_start=False)
    return _run(one_step, model, x, foolbox.TargetedMisclassification(target), eps)


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

    In L1 a step follows the gradient's direction, scaled to the step size, and a point outside the ball is scaled back.
    Better L1 attacks change only a few pixels (see ``slide``).

    Args:
        model, x, y, norm, eps, target: as for ``fgsm``.
        alpha: absolute step size in pixel units.
        steps: gradient steps.
        random_start: start from one random point of the ball, drawn from torch's global random state.

    Returns:
        Attacked images of the shape of ``x``.
    """
    attack = _of_norm(PGD, norm)(abs_stepsize=alpha, steps=steps, random_start=random_start)
    return _run(attack, model, x, _aim(y, target), eps)


def slide(
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
    """Sparse L1 descent (Tramèr & Boneh 2019); all else as for ``pgd``, with the norm ``l1``.

    A step follows the signs of those entries of the gradient that lie in its largest hundredth by size, but of none
    that would leave the box.
    """
    attack = _of_norm({"l1": foolbox.attacks.SparseL1DescentAttack}, norm)
    ready = attack(abs_stepsize=alpha, steps=steps, random_start=random_start)
    return _run(ready, model, x, _aim(y, target), eps)


def pgd_margin(
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
    """PGD that increases the largest other logit minus the label's; all else as for ``pgd``.

    Its gradient does not vanish where the model is very confident, unlike that of the cross-entropy.
    """
    attack = _with_loss(_of_norm(PGD, norm), losses.margin)
    ready = attack(abs_stepsize=alpha, steps=steps, random_start=random_start)
    return _run(ready, model, x, _aim(y, target), eps)


def pgd_dlr(
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
    """PGD on the difference of logits ratio (Croce & Hein 2020); all else as for ``pgd``.

    Raises:
        CellError: the model has fewer than three classes.
    """
    attack = _with_loss(_of_norm(PGD, norm), losses.dlr)
    ready = attack(abs_stepsize=alpha, steps=steps, random_start=random_start)
    return _run(ready, model, x, y, eps)


def _aim(y: Tensor, target: Tensor | None) -> Any:
    return y if target is None else foolbox.TargetedMisclassification(target)


def _with_loss(attack: Any, loss: Callable[[Tensor, Tensor], Tensor]) -> Any:
    """The attack with its loss replaced by the sum of ``loss(logits, y)``.

    It increases that, or decreases a target's.
    """

    class WithLoss(attack):
        def get_loss_fn(self, model: Any, labels: Any) -> Callable[[Any], Any]:
            return lambda inputs: ep.astensor(loss(model(inputs).raw, labels.raw).sum())

    return WithLoss


def _of_norm(attacks: dict[str, Any], norm: str) -> Any:
    if norm not in attacks:
        raise CellError(f"foolbox adapter has no attack in norm {norm}")
    return attacks[norm]


def _run(attack: Any, model: nn.Module, x: Tensor, y: Any, eps: float) -> Tensor:
    _, clipped, _ = attack(wrapped(model, x.device), x.contiguous(), y, epsilons=eps)
    return clipped
