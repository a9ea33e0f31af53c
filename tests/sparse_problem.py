"""A linear model whose boundary is several pixels away, and how far it is: in L1 and in pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from tests.toys import Linear, linear_problem


def far_problem(n: int = 32, channels: int = 1) -> tuple[Linear, Tensor, Tensor, dict[str, Tensor]]:
    """A linear model, images around mid-grey, its labels, and the exact distance to its boundary by norm.

    Within the box a pixel can lower the score by at most |w|·room. So the least L1 spends the room of the largest
    weights first, and the fewest pixels are those with the largest sums of |w|·room over their channels.
    """
    linear, x, _, _ = linear_problem(n)
    weight = torch.cat([linear.weight.detach() * (1 + channel) for channel in range(channels)]) / (
        3 * channels
    )
    x = torch.cat([x.roll(channel, dims=0) for channel in range(channels)], dim=1)
    model = Linear(weight, bias=7 / 3).requires_grad_(False).eval()
    score = model(x)[:, 1].double()
    y = (score > 0).long()
    assert y.all()
    size = weight.double().abs()
    room = torch.where(weight > 0, x, 1 - x).double()
    return model, x, y, {"l1": _least_l1(size, room, score), "l0": _fewest_pixels(size * room, score)}


def _least_l1(size: Tensor, room: Tensor, score: Tensor) -> Tensor:
    order = size.flatten().argsort(descending=True)
    slopes, rooms = size.flatten()[order], room.flatten(1)[:, order]
    gained = torch.nn.functional.pad((slopes * rooms).cumsum(1), (1, 0))
    spent = torch.nn.functional.pad(rooms.cumsum(1), (1, 0))
    whole = (gained < score[:, None]).sum(1, keepdim=True) - 1  # values that are used up
    left = score[:, None] - gained.gather(1, whole)
    return (spent.gather(1, whole) + left / slopes[whole]).squeeze(1)


def _fewest_pixels(gain: Tensor, score: Tensor) -> Tensor:
    gained = gain.sum(1).flatten(1).sort(1, descending=True).values.cumsum(1)
    return (gained < score[:, None]).sum(1).double() + 1
