"""The loss of a batch in training, and the logits for the running accuracy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from zoo.adversarial import adversarial, attack, away
from zoo.intervals import ball
from zoo.margins import batch_statistics, margins
from zoo.penalties import (
    distilled,
    jacobian_norm,
    last_features,
    misaligned,
    selected_gradient,
    unsalient,
)
from zoo.recipes import Recipe


def learned(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    recipe: Recipe,
    eps: float,
    recall: Callable[[], None] = lambda: None,
) -> tuple[Float[Tensor, ""], Float[Tensor, "n k"]]:
    """The loss of a batch (n, c, h, w) in [0, 1] under attack at radius `eps`, and the logits (n, k) there.

    Examples are made in eval mode, then learned from in the model's own mode. `ce` is the cross-entropy of
    the attacked batch alone (Madry et al. 2018). `ibp` is the mean of the cross-entropies of the clean logits and
    of the worst ones that interval bounds leave possible (Gowal et al. 2018, equation 11, κ = 1/2). `jsigr`,
    `last` and `afa` are said below. `recall` is called when the examples are made, before the loss.
    """
    with torch.autocast(x.device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
        if recipe.loss in _CLEAN:
            return _CLEAN[recipe.loss](model, x, y, recipe, eps)
        attacked = _MADE.get(recipe.loss, adversarial)(model, x, y, recipe, eps)
        recall()
        if recipe.loss == "ce":
            logits = model(attacked).to(x.dtype)
            return F.cross_entropy(logits, y), logits
        with last_features(model) if recipe.loss == "afa" else nullcontext([]) as features:
            clean, logits = model(x).to(x.dtype), model(attacked).to(x.dtype)
        if recipe.loss == "trades":
            return trades(clean, logits, y, recipe.beta), logits
        if recipe.loss == "last":
            return distilled(clean, logits, y, recipe.beta), logits
        return aligned(clean, logits, features, y, recipe.beta), logits


def _bounded(
    model: nn.Module, x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"], recipe: Recipe, eps: float
) -> tuple[Float[Tensor, ""], Float[Tensor, "n k"]]:
    """Clean logits, and the mean of both losses; batch norm scales boxes by the statistics of the clean batch."""
    with batch_statistics(model) as rules:
        clean = model(x)
    worst = -margins(model, ball(x, eps), y, rules, clean.shape[1])
    return (F.cross_entropy(clean, y) + F.cross_entropy(worst, y)) / 2, clean


def _regularised(
    model: nn.Module, x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"], recipe: Recipe, eps: float
) -> tuple[Float[Tensor, ""], Float[Tensor, "n k"]]:
    """J-SIGR (Liu et al. 2022): CE + β/2 · |J|²_F + s · |∂CE/∂x|² over unimportant pixels; J = ∂z/∂x."""
    where = unsalient(model, x)
    x = x.detach().requires_grad_(True)
    logits = model(x).to(x.dtype)
    penalty = recipe.beta / 2 * jacobian_norm(logits, x)
    penalty = penalty + recipe.select * selected_gradient(logits, x, y, where)
    return F.cross_entropy(logits, y) + penalty, logits


def any_strength(
    model: nn.Module, x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"], recipe: Recipe, eps: float
) -> Float[Tensor, "n c h w"]:
    """The batch attacked, each image at a radius of its own, uniform in 0 to `eps`."""
    return attack(model, x, y, recipe, eps * torch.rand(len(x), 1, 1, 1, dtype=x.dtype, device=x.device))


def aligned(
    clean: Float[Tensor, "n k"],
    attacked: Float[Tensor, "n k"],
    features: Sequence[Float[Tensor, "n d"]],
    y: Int64[Tensor, " n"],
    beta: float,
) -> Float[Tensor, ""]:
    """Mean of both cross-entropies + β · (relative square of the difference of both features).

    The alignment over attack strengths that AFA's abstract speaks of (arXiv 2105.15157); the form is ours.
    """
    return (F.cross_entropy(clean, y) + F.cross_entropy(attacked, y)) / 2 + beta * misaligned(*features)


def trades(
    clean: Float[Tensor, "n k"], attacked: Float[Tensor, "n k"], y: Int64[Tensor, " n"], beta: float
) -> Float[Tensor, ""]:
    """Cross-entropy of the clean logits + β · KL(p(clean) ‖ p(attacked)), means over the batch.

    Gradients flow into both terms and both logits (Zhang et al. 2019, equation 5 and their code).
    """
    told, attacked = F.log_softmax(clean, dim=1), F.log_softmax(attacked, dim=1)
    divergence = F.kl_div(attacked, told, reduction="batchmean", log_target=True)
    return F.cross_entropy(clean, y) + beta * divergence


def _away(
    model: nn.Module, x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"], recipe: Recipe, eps: float
) -> Float[Tensor, "n c h w"]:
    return away(model, x, recipe, eps)


_CLEAN = {"ibp": _bounded, "jsigr": _regularised}  # losses that attack nothing
_MADE = {"trades": _away, "afa": any_strength}  # functions that make examples, if not `adversarial`
