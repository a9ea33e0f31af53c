"""What one step of training learns from a batch: the loss, and the logits that the running accuracy is taken of."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from zoo.adversarial import adversarial, away
from zoo.intervals import ball
from zoo.margins import batch_statistics, margins
from zoo.recipes import Recipe


def learned(
    model: nn.Module, x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"], recipe: Recipe, eps: float
) -> tuple[Float[Tensor, ""], Float[Tensor, "n k"]]:
    """The loss of a batch (n, c, h, w) in [0, 1] under attack at radius `eps`, and the logits (n, k) there.

    Examples are made in eval mode, then learned from in the model's own mode. `ce` is the cross-entropy of
    the attacked batch alone (Madry et al. 2018). `ibp` is the mean of the cross-entropies of the clean logits and
    of the worst ones that interval bounds leave possible (Gowal et al. 2018, equation 11, κ = 1/2).
    """
    if recipe.loss == "ibp":
        return _bounded(model, x, y, eps)
    with torch.autocast(x.device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
        if recipe.loss == "ce":
            logits = model(adversarial(model, x, y, recipe, eps)).to(x.dtype)
            return F.cross_entropy(logits, y), logits
        attacked = away(model, x, recipe, eps)
        clean, logits = model(x).to(x.dtype), model(attacked).to(x.dtype)
        return trades(clean, logits, y, recipe.beta), logits


def _bounded(
    model: nn.Module, x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"], eps: float
) -> tuple[Float[Tensor, ""], Float[Tensor, "n k"]]:
    """Clean logits, and the mean of both losses; batch norm scales boxes by the statistics of the clean batch."""
    with batch_statistics(model) as rules:
        clean = model(x)
    worst = -margins(model, ball(x, eps), y, rules)
    return (F.cross_entropy(clean, y) + F.cross_entropy(worst, y)) / 2, clean


def trades(
    clean: Float[Tensor, "n k"], attacked: Float[Tensor, "n k"], y: Int64[Tensor, " n"], beta: float
) -> Float[Tensor, ""]:
    """Cross-entropy of the clean logits + β · KL(p(clean) ‖ p(attacked)), means over the batch.

    Gradients flow into both terms and both logits (Zhang et al. 2019, equation 5 and their code).
    """
    told, attacked = F.log_softmax(clean, dim=1), F.log_softmax(attacked, dim=1)
    divergence = F.kl_div(attacked, told, reduction="batchmean", log_target=True)
    return F.cross_entropy(clean, y) + beta * divergence
