"""Calls attacks of torchattacks: wraps the model, and refuses what they cannot attack."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from bench.errors import CellError


class Guarded(nn.Module):
    """The model for torchattacks: logits without a gradient may be written into, gradients are contiguous."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.training = model.training  # the mode that torchattacks restores

    def forward(self, x: Float[Tensor, "n c h w"]) -> Tensor:
        if x.requires_grad:
            x.register_hook(lambda gradient: gradient.contiguous())
        logits = self.model(x)
        return logits if logits.requires_grad else logits.clone()


@torch.no_grad()
def class_count(model: nn.Module, x: Float[Tensor, "n c h w"]) -> int:
    """The number of logits for an image."""
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


def run_aimed(
    attack: Any,
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    target: Int64[Tensor, " n"] | None,
    **params: Any,
) -> Float[Tensor, "n c h w"]:
    """As ``run``; with targets, (n,), the attack is aimed at these classes and labels play no part."""
    if target is None:
        return run(attack, model, x, y, **params)
    return run(attack, model, x, target, lambda ready: ready.set_mode_targeted_by_label(quiet=True), **params)


def run(
    attack: Any,
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    labels: Int64[Tensor, " n"],
    prepare: Callable[[Any], None] = lambda _: None,
    **params: Any,
) -> Float[Tensor, "n c h w"]:
    """The attacked images, from images in [0, 1] and labels.

    Args:
        attack: class of torchattacks.
        model, x, labels: of the attack.
        prepare: gets the attack object before it runs.
        **params: arguments of the class besides the model.
    """
    with contextlib.redirect_stdout(sys.stderr):
        ready = attack(Guarded(model), **params)
        ready.set_device(x.device)
        prepare(ready)
        return ready(x.contiguous(), labels).detach()
