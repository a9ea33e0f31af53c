"""Removes more and more pixel values in a random order until the model is wrong."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from bench.engine.judge import ask_again
from bench.engine.seeding import seed_of

FILLS = {"black": 0.0, "grey": 0.5}
WRONG = -1  # steps of an image that was wrong when nothing was removed
BATCH = 256


def ranks(seed: int, image: int, draws: int, values: int) -> Int64[np.ndarray, "draws values"]:
    """The place of every pixel value (each channel's apart) in the random order of each draw, from 0.

    Args:
        seed, image: the orders derive from these alone, so all models meet the same.
        draws, values: how many orders, of how many pixel values.
    """
    orders = np.random.Generator(np.random.PCG64(seed_of("mip", seed, image))).permuted(
        np.tile(np.arange(values), (draws, 1)), axis=1
    )
    return orders.argsort(axis=1)


def removed(step: int, grid: int, values: int) -> int:
    """How many of the pixel values are removed at rate step / grid, rounded, halves up."""
    return (2 * step * values + grid) // (2 * grid)


def steps_withstood(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    first: int,
    draws: int,
    grid: int,
    fill: str,
    seed: int,
) -> tuple[Int64[np.ndarray, "n draws"], Bool[np.ndarray, " n"]]:
    """The last rate on the grid before the first misclassification, for each image and order.

    Within an order a larger rate removes all values of the smaller one and more. All rates are tried in order, since a
    wrong class may be right again at a larger rate.

    Args:
        model: deployed model on the device of ``x``.
        x: images (n, c, h, w) in [0, 1].
        y: labels (n,).
        first: index of the first image in its data set.
        draws: random orders for each image.
        grid: rates are 1 / grid, 2 / grid, … 1.
        fill: of ``FILLS``: new value of a removed pixel value.
        seed: of the orders.

    Returns:
        (n, draws) int64, rate · grid: 0 where the first step was already wrong, ``grid`` where all was
        withstood, ``WRONG`` for images that are wrong to begin with; and (n,) bool, right before removal.
    """
    right = ask_again(model, x, y).right
    steps = np.full((len(x), draws), WRONG)
    steps[right.cpu().numpy()] = grid
    values = x[0].numel()
    order = torch.stack([torch.from_numpy(ranks(seed, first + i, draws, values)) for i in range(len(x))]).to(
        x.device
    )
    image, draw = torch.nonzero(right[:, None].expand(-1, draws), as_tuple=True)
    for step in range(1, grid + 1):
        if not len(image):
            break
        gone = order[image, draw] < removed(step, grid, values)
        stands = _right(model, x, y, image, gone, FILLS[fill])
        steps[image[~stands].cpu().numpy(), draw[~stands].cpu().numpy()] = step - 1
        image, draw = image[stands], draw[stands]
    return steps, right.cpu().numpy()


def _right(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    image: Int64[Tensor, " m"],
    gone: Bool[Tensor, "m values"],
    fill: float,
) -> Bool[Tensor, " m"]:
    parts = []
    for some, lost in zip(image.split(BATCH), gone.split(BATCH), strict=True):
        left = x[some].masked_fill(lost.view(-1, *x.shape[1:]), fill)
        parts.append(ask_again(model, left, y[some]).right)
    return torch.cat(parts)
