"""Adversarial examples for training, made by the model in eval mode with frozen parameters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from zoo.recipes import Recipe


def adversarial(
    model: nn.Module, x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"], recipe: Recipe
) -> Float[Tensor, "n c h w"]:
    """The batch (n, c, h, w) in [0, 1] with its first `share · n` images attacked (batches are random).

    Nothing of the model changes: statistics of batch norm, modes and gradients are as before.
    """
    count = round(recipe.share * len(x))
    if count == 0:
        return x
    return torch.cat([attack(model, x[:count], y[:count], recipe), x[count:]])


def attack(
    model: nn.Module, x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"], recipe: Recipe
) -> Float[Tensor, "n c h w"]:
    """Images in the L∞ ball of radius `eps` around x and in [0, 1], by signed ascent on the cross-entropy.

    One step of `alpha = eps` from x is FGSM (Goodfellow et al. 2015); more, from a random start, are PGD
    (Madry et al. 2018).
    """
    low, high = (x - recipe.eps).clamp_(min=0), (x + recipe.eps).clamp_(max=1)
    attacked = x.clone()
    if recipe.random_start:
        attacked += torch.empty_like(x).uniform_(-recipe.eps, recipe.eps)
        attacked = attacked.clamp_(0, 1)
    with _in_use(model):
        for _ in range(recipe.steps):
            attacked.requires_grad_(True)
            loss = F.cross_entropy(model(attacked), y, reduction="sum")
            (slope,) = torch.autograd.grad(loss, attacked)
            attacked = attacked.detach().add_(slope.sign(), alpha=recipe.alpha)
            attacked = torch.minimum(torch.maximum(attacked, low), high)
    return attacked


@contextmanager
def _in_use(model: nn.Module) -> Iterator[None]:
    """Eval mode and frozen parameters, both put back afterwards."""
    mode = model.training
    free = [value for value in model.parameters() if value.requires_grad]
    try:
        model.requires_grad_(False).eval()
        yield
    finally:
        for value in free:
            value.requires_grad_(True)
        model.train(mode)
