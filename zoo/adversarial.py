"""Adversarial examples for training, made on the model's deployed equal: same logits in eval mode, less time."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from zoo.deployment import deploy
from zoo.recipes import Recipe

START = 0.001  # standard deviation of the noise TRADES starts from: at the image itself its slope is zero


def adversarial(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    recipe: Recipe,
    eps: float | None = None,
) -> Float[Tensor, "n c h w"]:
    """The batch (n, c, h, w) in [0, 1] with its first `share · n` images attacked (batches are random).

    `eps` is the radius, the recipe's own unless a stage gives another. The model is not changed: statistics of batch
    norm, modes and gradients are as before.
    """
    count = round(recipe.share * len(x))
    if count == 0:
        return x
    return torch.cat([attack(model, x[:count], y[:count], recipe, eps), x[count:]])


def attack(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    recipe: Recipe,
    eps: float | Float[Tensor, "n 1 1 1"] | None = None,
) -> Float[Tensor, "n c h w"]:
    """Images in the L∞ ball of radius `eps` around x and in [0, 1], by signed ascent on the cross-entropy.

    One step of `alpha = eps` from x is FGSM (Goodfellow et al. 2015); more, from a random start, are PGD (Madry et al.
    2018). A separate radius for each image needs a recipe without random start.
    """
    eps = recipe.eps if eps is None else eps
    start = x.clone()
    if recipe.random_start:
        assert isinstance(eps, float | int)
        start += torch.empty_like(x).uniform_(-eps, eps)
        start = start.clamp_(0, 1)
    return _ascend(
        deploy(model), x, start, recipe, eps, lambda logits: F.cross_entropy(logits, y, reduction="sum")
    )


def away(
    model: nn.Module, x: Float[Tensor, "n c h w"], recipe: Recipe, eps: float | None = None
) -> Float[Tensor, "n c h w"]:
    """Images in the same ball and box, by signed ascent on KL(p(x) ‖ p(attacked)), p the model's probabilities.

    The attack of TRADES (Zhang et al. 2019), from Gaussian noise of standard deviation 0.001. It needs no
    labels.
    """
    eps = recipe.eps if eps is None else eps
    target = deploy(model)
    with torch.no_grad():
        clean = F.log_softmax(target(x).to(x.dtype), dim=1)

    def divergence(logits: Tensor) -> Tensor:
        return F.kl_div(F.log_softmax(logits, dim=1), clean, reduction="sum", log_target=True)

    return _ascend(target, x, x + START * torch.randn_like(x), recipe, eps, divergence)


def _ascend(
    target: nn.Module,
    x: Float[Tensor, "n c h w"],
    start: Float[Tensor, "n c h w"],
    recipe: Recipe,
    eps: float | Float[Tensor, "n 1 1 1"],
    objective: Callable[[Tensor], Tensor],
) -> Float[Tensor, "n c h w"]:
    """From `start`, `steps` signed steps of `alpha` up the objective of the logits, in ball and box after each."""
    low, high = (x - eps).clamp_(min=0), (x + eps).clamp_(max=1)
    attacked = start
    for _ in range(recipe.steps):
        attacked.requires_grad_(True)
        (slope,) = torch.autograd.grad(objective(target(attacked).to(x.dtype)), attacked)
        attacked = attacked.detach().add_(slope.sign(), alpha=recipe.alpha)
        attacked = torch.minimum(torch.maximum(attacked, low), high)
    return attacked
