"""Square in L1 (Croce & Hein, "Mind the box", 2021), which torchattacks has in L∞ and L2 only."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from bench.attacks.losses import reached, sought
from bench.engine.balls import project
from bench.errors import CellError

SHARE = 0.8  # of an image that the first squares cover
# where the covered share is halved, in ten-thousandths of the queries (Andriushchenko et al. 2020)
HALVED = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
TILES = 5  # of the first pattern along a side
LEAST = 3  # pixels of a square's side


@torch.no_grad()
def square(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    norm: str,
    eps: float,
    queries: int,
    target: Int64[Tensor, " n"] | None = None,
) -> Float[Tensor, "n c h w"]:
    """Random search: the change of one square is moved to another one, if that increases the margin.

    Args:
        model: classifier of images in [0, 1], in eval mode.
        x: images (n, c, h, w), float32 in [0, 1].
        y: labels (n,), int64.
        norm: ``l1``.
        eps: radius, above 0.
        queries: squares tried on each image. All images of the batch have the same squares.
        target: (n,) int64, the class each image is to be taken for; ``None`` for any wrong one.

    Returns:
        Images of the shape of ``x``: the first that was found, else that of the largest margin. Chance comes from
        torch's global random state.

    Raises:
        CellError: another norm.
    """
    if norm != "l1":
        raise CellError(f"symbench has Square in norm l1 only; use torchattacks:square in norm {norm}")
    best = project(x, x + _tiled(x, eps), "l1", eps)
    logits = model(best)
    value, standing = sought(logits, y, target), ~reached(logits, y, target)
    for query in range(1, queries):
        if not bool(standing.any()):
            break
        tried = project(x, x + _moved(best - x, eps, _side(x, query, queries)), "l1", eps)
        logits = model(tried)
        found = sought(logits, y, target)
        better = standing & (found > value)
        best = torch.where(better[:, None, None, None], tried, best)
        value = torch.where(better, found, value)
        standing &= ~(better & reached(logits, y, target))
    return best


def _side(x: Float[Tensor, "n c h w"], query: int, queries: int) -> int:
    """The side of the squares at this query: it shrinks as the search goes on."""
    passed = sum(10_000 * query / queries > at for at in HALVED)
    height, width = x.shape[2:]
    side = round((SHARE / 2**passed * height * width) ** 0.5)
    return min(max(side, LEAST), height, width)


def _tiled(x: Float[Tensor, "n c h w"], eps: float) -> Float[Tensor, "n c h w"]:
    """A pattern of squares all over each image, of L1 norm ε."""
    side = max(1, min(x.shape[2:]) // TILES)
    step = torch.zeros_like(x)
    for top in range(0, x.shape[2] - side + 1, side):
        for left in range(0, x.shape[3] - side + 1, side):
            step[:, :, top : top + side, left : left + side] = _pyramid(side, x) * _signs(x)
    return step * (eps / step.abs().sum(dim=(1, 2, 3), keepdim=True))


def _moved(step: Float[Tensor, "n c h w"], eps: float, side: int) -> Float[Tensor, "n c h w"]:
    """The step with one random square zeroed and another one given its share of ε and what is unspent."""
    from_, to = _window(step, side), _window(step, side)
    moved = step.clone()
    spent = step.abs().sum(dim=(1, 2, 3), keepdim=True)
    budget = (step[from_].abs().sum(dim=(1, 2, 3), keepdim=True) + (eps - spent)).clamp_min(0)
    moved[from_] = 0
    budget = budget + moved[to].abs().sum(dim=(1, 2, 3), keepdim=True)
    old = moved[to] / moved[to].abs().sum(dim=(1, 2, 3), keepdim=True).clamp_min(1e-10)
    fresh = old + _pyramid(side, step) * _signs(step)
    moved[to] = fresh * (budget / fresh.abs().sum(dim=(1, 2, 3), keepdim=True).clamp_min(1e-10))
    return moved


def _window(x: Float[Tensor, "n c h w"], side: int) -> tuple[slice, slice, slice, slice]:
    top, left = (int(torch.randint(0, size - side + 1, ())) for size in x.shape[2:])
    return slice(None), slice(None), slice(top, top + side), slice(left, left + side)


def _signs(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c 1 1"]:
    return (torch.randint(0, 2, (*x.shape[:2], 1, 1), device=x.device) * 2 - 1).to(x)


def _pyramid(side: int, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "side side"]:
    """Values of L1 norm 1 that fall off from the middle in rings, one half of them negative."""
    away = (torch.arange(side) - (side - 1) / 2).abs().floor()
    ring = torch.maximum(away[:, None], away[None])
    values = torch.flip((1 / (torch.arange(side) + 1.0) ** 2).cumsum(0), (0,))[ring.long()]
    values[side // 2 :] *= -1 if side > 1 else 1
    return (values / values.abs().sum()).to(x)
