"""SPSA: projected gradient descent without gradients, on estimates from logits (Uesato et al. 2018)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from bench.attacks.losses import reached, sought
from bench.engine.balls import project
from bench.errors import CellError

PAIRS = 32  # of points on both sides that an estimate takes
AWAY = 0.01  # their distance in every pixel
KEPT = 0.9  # of the estimates before, as momentum
STEP = 2.5  # times ε over the steps: a step's size


@torch.no_grad()
def spsa(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    norm: str,
    eps: float,
    queries: int,
    target: Int64[Tensor, " n"] | None = None,
) -> Float[Tensor, "n c h w"]:
    """Steps of 2.5·ε/steps along estimated gradients of the margin, with momentum.

    An estimate is the mean over 32 random directions of ±1 of the margin's difference on both sides, times the
    direction; a step takes 64 queries and one more at its end. Random numbers come from torch's global random state.

    Args:
        model: classifier of images in [0, 1], in eval mode.
        x: images (n, c, h, w), float32 in [0, 1].
        y: labels (n,), int64.
        norm: ``linf`` or ``l2``.
        eps: radius, above 0.
        queries: passes of the model for each image, at least 3; the rest after the last whole step is not used. Below
            65 there is one step, with fewer directions.
        target: (n,) int64, the class each image is to be taken for; ``None`` for any wrong one.

    Returns:
        Images of the shape of ``x``: the first point that broke the model (or reached its target), else the last one.

    Raises:
        CellError: another norm.
    """
    if norm not in ("linf", "l2"):
        raise CellError(f"there is no SPSA in norm {norm}")
    pairs = max(1, min(PAIRS, (queries - 1) // 2))
    steps = max(1, queries // (2 * pairs + 1))
    at, momentum = x.clone(), torch.zeros_like(x)
    standing = torch.ones_like(y, dtype=torch.bool)
    for _ in range(steps):
        estimate = _estimate(at, pairs, lambda points: sought(model(points), y, target))
        momentum = KEPT * momentum + (1 - KEPT) * estimate
        step = STEP * eps / steps * _direction(momentum, norm)
        at = torch.where(standing[:, None, None, None], project(x, at + step, norm, eps), at)
        standing &= ~reached(model(at), y, target)
        if not bool(standing.any()):
            break
    return at


def _estimate(
    at: Float[Tensor, "n c h w"], pairs: int, value: Callable[[Tensor], Float[Tensor, " n"]]
) -> Float[Tensor, "n c h w"]:
    total = torch.zeros_like(at)
    for _ in range(pairs):
        way = torch.randint(0, 2, at.shape, device=at.device).to(at) * 2 - 1
        above, below = (value((at + side * AWAY * way).clamp(0, 1)) for side in (1, -1))
        total += torch.nan_to_num(above - below)[:, None, None, None] * way
    return total / pairs


def _direction(gradient: Float[Tensor, "n c h w"], norm: str) -> Float[Tensor, "n c h w"]:
    if norm == "linf":
        return gradient.sign()
    length = gradient.flatten(1).norm(dim=1).clamp_min(1e-12)
    return gradient / length[:, None, None, None]
