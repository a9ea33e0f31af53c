"""FGSM and PGD as the released scripts write them: the clamp may move a pixel farther than ε."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn


def fgsm(
    network: nn.Module,
    z: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    eps: float,
    low: float,
    high: float,
) -> Float[Tensor, "n c h w"]:
    """One step of ε along the sign of the gradient, then the clamp (Goodfellow et al. 2015).

    Args:
        network: classifier of z, in the mode it is to be attacked in; its buffers change in training mode.
        z: images (n, c, h, w) in the protocol's input space.
        y: labels (n,), int64.
        eps: in units of z.
        low, high: range of the clamp, in units of z.
    """
    return (z + eps * _sign(network, z, y)).clamp(low, high)


def pgd(
    network: nn.Module,
    z: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    eps: float,
    low: float,
    high: float,
    alpha: float,
    steps: int,
) -> Float[Tensor, "n c h w"]:
    """Steps of ``alpha``, each brought back to the ball around ``z`` and then clamped (Madry et al. 2018).

    No random start; the last iterate is the answer. Arguments as of ``fgsm``.
    """
    attacked = z
    for _ in range(steps):
        moved = attacked + alpha * _sign(network, attacked, y)
        attacked = moved.clamp(z - eps, z + eps).clamp(low, high)
    return attacked


def _sign(
    network: nn.Module, z: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"]
) -> Float[Tensor, "n c h w"]:
    leaf = z.detach().requires_grad_()
    loss = nn.functional.cross_entropy(network(leaf), y)
    (gradient,) = torch.autograd.grad(loss, leaf)
    return gradient.sign()
