"""Our own attacks: those that need no library."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from bench.attacks.apgd import apgd_ce, apgd_dlr, apgd_t
from bench.attacks.autoattack_l1 import autoattack
from bench.attacks.losses import reached, sought
from bench.attacks.spsa import spsa
from bench.attacks.square_l1 import square
from bench.attacks.transferred import transfer
from bench.errors import CellError

__all__ = ["apgd_ce", "apgd_dlr", "apgd_t", "autoattack", "noise", "spsa", "square", "transfer"]

AT_ONCE = 1024  # images in one forward pass, so that memory does not grow with the queries


@torch.no_grad()
def noise(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    norm: str,
    eps: float,
    queries: int,
    target: Int64[Tensor, " n"] | None = None,
) -> Float[Tensor, "n c h w"]:
    """Random search without gradients: uniform points of the ball, clamped to [0, 1].

    Images that it breaks and a gradient attack does not are a sign of masked gradients (Carlini et al. 2019). Points
    come from torch's global random state; the points of an image do not depend on the results of other images.

    Args:
        model: classifier of images in [0, 1], in eval mode.
        x: images (n, c, h, w), float32 in [0, 1].
        y: labels (n,), int64.
        norm: ``linf``, ``l2`` or ``l1``.
        eps: radius in pixel units, above 0.
        queries: points tried for each image, at least 1; fewer if an early one breaks it.
        target: (n,) int64, the class each image is to be taken for; ``None`` for any wrong one.

    Returns:
        Images of the shape of ``x``: the first point that broke the model (misclassified, or logits that are
        not finite), else the one with the smallest margin.

    Raises:
        CellError: another norm.
    """
    copies = max(1, AT_ONCE // len(x))
    best, highest = x.clone(), torch.full((len(x),), -torch.inf, device=x.device)
    for start in range(0, queries, copies):
        steps = _uniform((min(copies, queries - start), *x.shape), norm, x.device) * eps
        left = (highest < torch.inf).nonzero().squeeze(1)
        points = (x[left] + steps[:, left]).clamp(0, 1)
        value, which = _damage(model, points, y[left], None if target is None else target[left]).max(
            dim=0
        )  # of equals, the first
        worse = value > highest[left]
        best[left[worse]] = points[which, torch.arange(len(left), device=x.device)][worse]
        highest[left[worse]] = value[worse]
        if (highest == torch.inf).all():
            break
    return best


def _damage(
    model: nn.Module,
    points: Float[Tensor, "q n c h w"],
    y: Int64[Tensor, " n"],
    target: Int64[Tensor, " n"] | None,
) -> Float[Tensor, "q n"]:
    """The largest other logit minus the label's, or the target's margin; +∞ for every point that reaches the goal."""
    labels, goal = y.repeat(len(points)), None if target is None else target.repeat(len(points))
    logits = model(points.flatten(0, 1)).float()
    damage = torch.where(reached(logits, labels, goal), torch.inf, sought(logits, labels, goal))
    return damage.view(len(points), len(y))


def _uniform(shape: tuple[int, ...], norm: str, device: torch.device) -> Float[Tensor, "q n c h w"]:
    """Uniform points of the unit ball of each image."""
    if norm == "linf":
        return 2 * torch.rand(shape, device=device) - 1
    if norm == "l1":  # exponential sizes over their sum are uniform on the simplex
        sizes = torch.empty(shape, device=device).exponential_()
        steps = sizes * torch.randint(0, 2, shape, device=device).mul(2).sub(1)
        length = sizes.flatten(2).sum(dim=2)
    elif norm == "l2":
        steps = torch.randn(shape, device=device)
        length = steps.flatten(2).norm(dim=2)
    else:
        raise CellError(f"there is no noise in norm {norm}")
    radius = torch.rand(shape[:2], device=device) ** (1 / steps[0, 0].numel())
    return steps * (radius / length)[..., None, None, None]
