"""Models whose gradients vanish, are cut off or lie."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from wrapped import model, on_grid

# ---- gradients that vanish


def quantised() -> nn.Module:
    """Rounds the image to the digits' own grey levels: the gradient is 0 everywhere."""
    return model(lambda self, x: self.net(on_grid(x)))


def saturated() -> nn.Module:
    """Logits ten thousand times too large: the softmax is exactly one-hot."""
    return model(lambda self, x: 1e4 * self.net(x))


def gives_up() -> nn.Module:
    """Lets no gradient through where it is sure of itself."""

    def forward(self: Any, x: Tensor) -> Tensor:
        logits = self.net(x)
        sure = logits.softmax(1).amax(1, keepdim=True) > 0.9
        return torch.where(sure, logits.detach() + 0 * logits, logits)

    return model(forward)


def clipped() -> nn.Module:
    """Logits clamped to ±1, where most of them lie beyond."""
    return model(lambda self, x: self.net(x).clamp(-1, 1))


def binarised() -> nn.Module:
    """Black or white is all it sees of a pixel."""
    return model(lambda self, x: self.net((x - 0.3).sign().clamp(min=0)))


def blind_when_clean() -> nn.Module:
    """Has gradients only off the digits' grey levels, where attacks that start at the image never get."""

    def forward(self: Any, x: Tensor) -> Tensor:
        clean = ((x - on_grid(x)).abs().flatten(1).amax(1) < 1e-4)[:, None, None, None]
        return self.net(torch.where(clean, x.detach() + 0 * x, x))

    return model(forward)


def blind_when_attacked() -> nn.Module:
    """Has gradients at the clean image only, so one step works and many do not."""

    def forward(self: Any, x: Tensor) -> Tensor:
        clean = ((x - on_grid(x)).abs().flatten(1).amax(1) < 1e-4)[:, None, None, None]
        return self.net(torch.where(clean, x, x.detach() + 0 * x))

    return model(forward)


# ---- graphs that are cut


def detached() -> nn.Module:
    """The graph ends before the network."""
    return model(lambda self, x: self.net(x.detach()))


def no_graph() -> nn.Module:
    """The forward pass runs without gradients."""
    return model(torch.no_grad()(lambda self, x: self.net(x)))


def through_numpy() -> nn.Module:
    """Rounds the image in NumPy, as JPEG compression through another library does."""

    def forward(self: Any, x: Tensor) -> Tensor:
        pixels = np.round(x.detach().cpu().numpy() * 15) / 15
        return self.net(torch.from_numpy(pixels).to(x))

    return model(forward)


def one_hot() -> nn.Module:
    """Gives the class alone."""
    return model(lambda self, x: F.one_hot(self.net(x).argmax(1), 10).float())


# ---- gradients that lie


class _Backward(torch.autograd.Function):
    """The identity with another backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, backward: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.other = backward
        return x.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return ctx.other(grad), None


def wrong_sign() -> nn.Module:
    """The gradient points the other way."""
    return model(lambda self, x: self.net(_Backward.apply(x, torch.neg)))


def random_gradient() -> nn.Module:
    """The gradient is noise, new each time."""
    return model(lambda self, x: self.net(_Backward.apply(x, torch.randn_like)))


def fixed_gradient() -> nn.Module:
    """The gradient is noise, the same each time."""

    def noise(grad: Tensor) -> Tensor:
        drawn = torch.randn(grad.shape[1:], generator=torch.Generator().manual_seed(0))
        return drawn.to(grad).expand_as(grad)

    return model(lambda self, x: self.net(_Backward.apply(x, noise)))


def shattered() -> nn.Module:
    """A ripple on the image, too fine to see, that rules its gradient."""
    return model(lambda self, x: self.net(x + 0.03 * torch.sin(2000 * x)))


def decoy() -> nn.Module:
    """The gradient is that of another network; the answer is not."""

    def forward(self: Any, x: Tensor) -> Tensor:
        other = self.other(x)
        return self.net(x).detach() + other - other.detach()

    with torch.random.fork_rng():
        torch.manual_seed(0)
        other = nn.Sequential(nn.Flatten(), nn.Linear(256, 10))
    return model(forward, other=other)
