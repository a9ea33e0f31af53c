"""Unusual models that are what they seem."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from wrapped import model


def log_softmax() -> nn.Module:
    """Logits shifted by their logarithmic sum: the same softmax."""
    return model(lambda self, x: self.net(x).log_softmax(1))


def warm() -> nn.Module:
    """Logits a tenth as large: less sure, with the same decisions."""
    return model(lambda self, x: 0.1 * self.net(x))


def blurred() -> nn.Module:
    """Blurs a little before it answers."""
    return model(lambda self, x: self.net(0.6 * x + 0.4 * F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)))


def eight_bit() -> nn.Module:
    """Rounds to 256 grey levels, and lets gradients straight through: too fine a grid to hide anything."""
    return model(lambda self, x: self.net(x + ((255 * x).round() / 255 - x).detach()))


def clamped() -> nn.Module:
    """Clamps images to [0, 1], where they are."""
    return model(lambda self, x: self.net(x.clamp(0, 1)))


def fills_a_cache() -> nn.Module:
    """Makes a constant at its first call."""

    def forward(self: Any, x: Tensor) -> Tensor:
        if x.shape[1:] not in self.ones:
            self.ones[x.shape[1:]] = torch.ones(x.shape[1:]).to(x)
        return self.net(x * self.ones[x.shape[1:]])

    return model(forward, ones={})
