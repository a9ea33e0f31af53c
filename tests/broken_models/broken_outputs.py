"""Models with other outputs, inputs and procedures than an evaluation takes them to have."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from wrapped import model, on_grid

from zoo.layers.block import Block


def softmax() -> nn.Module:
    """Gives probabilities."""
    return model(lambda self, x: self.net(x).softmax(1))


def percent() -> nn.Module:
    """Gives probabilities, times a hundred."""
    return model(lambda self, x: 100 * self.net(x).softmax(1))


def nan_when_attacked() -> nn.Module:
    """NaN wherever pixels are not on the digits' own grey levels."""

    def forward(self: Any, x: Tensor) -> Tensor:
        off = (x - on_grid(x)).abs().flatten(1).amax(1)
        return self.net(x) + torch.sqrt(1e-4 - off)[:, None]

    return model(forward)


def only_the_best() -> nn.Module:
    """Logits of all but three classes are minus infinity."""

    def forward(self: Any, x: Tensor) -> Tensor:
        logits = self.net(x)
        return logits.masked_fill(logits < logits.topk(3).values[:, -1:], -torch.inf)

    return model(forward)


def expects_normalised() -> nn.Module:
    """Expects images in [-1, 1]."""
    made = model(lambda self, x: self.net(x))
    made.net.normalize = nn.Identity()  # type: ignore[union-attr]
    return made


def expects_bytes() -> nn.Module:
    """Expects images in 0 … 255."""
    return model(lambda self, x: self.net(x / 255))


def says_p4() -> nn.Module:
    """Declares a symmetry that it does not have."""
    return model(lambda self, x: self.net(x), symmetry="p4")


def optimises() -> nn.Module:
    """Cleans each image by a few gradient steps before it answers."""

    def forward(self: Any, x: Tensor) -> Tensor:
        with torch.enable_grad():
            cleaned = x.detach().clone().requires_grad_()
            confidence = self.net(cleaned).logsumexp(1).sum()
            (step,) = torch.autograd.grad(confidence, cleaned)
        return self.net((x + 0.01 * step.sign()).clamp(0, 1))

    return model(forward)


_grad = torch.autograd.grad


def optimises_unseen() -> nn.Module:
    """The same, through a name of its own for autograd's function."""

    def forward(self: Any, x: Tensor) -> Tensor:
        with torch.enable_grad():
            cleaned = x.detach().clone().requires_grad_()
            (step,) = _grad(self.net(cleaned).logsumexp(1).sum(), cleaned)
        return self.net((x + 0.01 * step.sign()).clamp(0, 1))

    return model(forward)


def _winners(part: nn.Module, given: Any, features: Tensor) -> Tensor:
    flat = features.flatten(1)
    least = flat.kthvalue(4 * flat.shape[1] // 5, dim=1, keepdim=True).values
    return (flat * (flat > least)).view_as(features)


def k_winners() -> nn.Module:
    """Keeps the largest fifth of each layer's features (Xiao et al. 2020): the surface breaks into pieces."""
    made = model(lambda self, x: self.net(x))
    for part in made.modules():
        if isinstance(part, Block):
            part.register_forward_hook(_winners)
    return made
