"""Square in L1 (Croce & Hein, "Mind the box", 2021), which torchattacks has in L∞ and L2 only."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from bench.attacks.losses import reached, sought
from bench.engine.balls import project
from bench.errors import CellError

SHARE = 0.8  # of an image that the first squares cover
# queries after which the covered share is halved (Andriushchenko et al. 2020); not stretched to fewer queries
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
        tried = project(x, x + _moved(best - x, eps, _side(x, query)), "l1", eps)
        logits = model(tried)
        found = sought(logits, y, target)
        better = standing & (found > value)
        best = torch.where(better[:, None, None, None], tried, best)
        value = torch.where(better, found, value)
        standing &= ~(better & reached(logits, y, target))
    return best


def _side(x: Float[Tensor, "n c h w"], query: int) -> int:
    """The side of the squares at this query, odd where the image has room: it shrinks as the search goes on."""
    passed = sum(query > at for at in HALVED)
    height, width = x.shape[2:]
    side = max(round((SHARE / 2**passed * height * width) ** 0.5), LEAST)
    return min(side + 1 - side % 2, height, width)


def _tiled(x: Float[Tensor, "n c h w"], eps: float) -> Float[Tensor, "n c h w"]:
    """A pattern of squares all over each image; the nearest of L1 norm ε keeps their middles."""
    side = max(1, min(x.shape[2:]) // TILES)
    step = torch.zeros_like(x)
    for top in range(0, x.shape[2] - side + 1, side):
        for left in range(0, x.shape[3] - side + 1, side):
            step[:, :, top : top + side, left : left + side] = _hills(side, x) * _signs(x)
    return project(x, x + step, "l1", eps) - x


def _moved(step: Float[Tensor, "n c h w"], eps: float, side: int) -> Float[Tensor, "n c h w"]:
    """The step with one random square zeroed and another one given its share of ε and what is unspent."""
    from_, to = _window(step, side), _window(step, side)
    fresh = step[to] / _length(step[to]) + _hills(side, step) * _signs(step)
    moved = step.clone()
    moved[from_] = moved[to] = 0
    budget = _length(step).clamp_min(eps) - _length(moved)
    moved[to] = fresh * (budget / _length(fresh))
    return moved


def _length(step: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 1 1 1"]:
    return step.abs().sum(dim=(1, 2, 3), keepdim=True).clamp_min(1e-10)


def _window(x: Float[Tensor, "n c h w"], side: int) -> tuple[slice, slice, slice, slice]:
    top, left = (int(torch.randint(0, size - side + 1, ())) for size in x.shape[2:])
    return slice(None), slice(None), slice(top, top + side), slice(left, left + side)


def _signs(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c 1 1"]:
    return (torch.randint(0, 2, (*x.shape[:2], 1, 1), device=x.device) * 2 - 1).to(x)


def _hills(side: int, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "side side"]:
    """Values of L1 norm 1: a steep hill in one half of the square, a hole in the other, side by side or stacked."""
    values = torch.cat([_hill(side // 2, side), -_hill(side - side // 2, side)])
    return (values / values.abs().sum()).rot90(int(torch.randint(0, 2, ()))).to(x)


def _hill(height: int, width: int) -> Float[Tensor, "height width"]:
    """Values of L1 norm 1 that fall off from the middle in rings, with the fourth power of the distance."""
    rows, columns = ((torch.arange(size) - size // 2).abs() for size in (height, width))
    rings = torch.arange(1, max(height, width) // 2 + 2).double().pow(-4).flip(0).cumsum(0).flip(0)
    values = rings[torch.maximum(rows[:, None], columns[None])]
    return (values / values.sum().clamp_min(1e-10)).float()
