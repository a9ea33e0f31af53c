"""The common part of all broken models: a network trained on the digits, so that its clean accuracy is real."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

import zoo

GREY_LEVELS = 16  # the digits' own


class Wrapped(nn.Module):
    """A trained network, for a forward pass that makes something else of it."""

    def __init__(self, name: str = "baseline_cnn_4") -> None:
        super().__init__()
        self.net = zoo.load(name)


def model(forward: Callable[[Any, Tensor], Tensor], **attributes: Any) -> nn.Module:
    """A wrapped network with this forward pass and these attributes."""
    made = type("Model", (Wrapped,), {"forward": forward})()
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def on_grid(x: Tensor) -> Tensor:
    """The image rounded to the digits' own grey levels."""
    return (GREY_LEVELS * x).round() / GREY_LEVELS
