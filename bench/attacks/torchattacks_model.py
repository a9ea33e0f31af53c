"""What torchattacks is given to attack, and what it cannot attack."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bench.errors import CellError


class Guarded(nn.Module):
    """The model as attacks see it: its logits may be written into, its gradients are contiguous."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.training = model.training  # the mode torchattacks puts back

    def forward(self, x: Float[Tensor, "n c h w"]) -> Tensor:
        if x.requires_grad:
            x.register_hook(lambda gradient: gradient.contiguous())
        return self.model(x).clone()


@torch.no_grad()
def class_count(model: nn.Module, x: Float[Tensor, "n c h w"]) -> int:
    """How many logits the model gives an image."""
    return model(x[:1]).shape[1]


def check_classes(attack: str, found: int, needed: int, remedy: str) -> None:
    """Raises CellError, naming the attacks to use instead, if the model has fewer classes than needed."""
    if found < needed:
        raise CellError(f"{attack} needs at least {needed} classes and the model has {found}; use {remedy}")


def check_squares(x: Float[Tensor, "n c h w"], norm: str) -> None:
    """Raises CellError for images that ``torchattacks.Square`` has no squares for.

    In L2 it first tiles an image with squares of a fifth of its height, which must come out even, and then
    changes squares of up to 0.9 of its side, rounded up to an odd number of pixels.
    """
    height, width = x.shape[2:]
    tile, largest = height // 5, max(round(math.sqrt(0.8 * height * width)), 3) | 1
    first = (height - 5 * tile) // 2
    tiled = tile == 1 or (tile > 1 and all(first + side // tile * tile <= side for side in (height, width)))
    if norm == "l2" and not (tiled and largest <= min(height, width)):
        raise CellError(
            f"torchattacks' Square has no squares for {height}×{width} images in L2; "
            "use norm linf, or resize them to, say, 32×32"
        )
