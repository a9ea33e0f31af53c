"""Models that remember, count, or change what lies outside of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from wrapped import model


def remembers() -> nn.Module:
    """Repeats its last answer for images close to its last ones."""

    def forward(self: Any, x: Tensor) -> Tensor:
        logits = self.net(x)
        if self.last is not None and len(self.last[0]) == len(x):
            near = (x - self.last[0]).abs().flatten(1).amax(1, keepdim=True) < 0.2
            logits = torch.where(near, self.last[1], logits)
        self.last = (x.detach().clone(), logits.detach().clone())
        return logits

    return model(forward, last=None)


_SEEN: list[Tensor] = []


def remembers_elsewhere() -> nn.Module:
    """The same, with the memory in a global list."""

    def forward(self: Any, x: Tensor) -> Tensor:
        logits = self.net(x)
        if _SEEN and _SEEN[0].shape == x.shape:
            near = (x - _SEEN[0]).abs().flatten(1).amax(1, keepdim=True) < 0.2
            logits = torch.where(near, _SEEN[1], logits)
        _SEEN[:] = [x.detach().clone(), logits.detach().clone()]
        return logits

    return model(forward)


def tires() -> nn.Module:
    """Counts its calls, and answers otherwise after a hundred thousand."""

    def forward(self: Any, x: Tensor) -> Tensor:
        self.calls += 1
        return self.net(x if self.calls < 100_000 else x.flip(-1))

    return model(forward, calls=0)


def counts_in_a_closure() -> nn.Module:
    """The same, with the count where no attribute shows it."""
    calls = 0

    def forward(self: Any, x: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return self.net(x if calls < 100_000 else x.flip(-1))

    return model(forward)


def switches_gradients_off() -> nn.Module:
    """Turns gradients off for everyone, for good."""

    def forward(self: Any, x: Tensor) -> Tensor:
        logits = self.net(x)
        torch.set_grad_enabled(False)
        return logits

    return model(forward)


class _Cached(nn.Module):
    """A layer that caches its scale in eval mode, as equivariant libraries cache their filters."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.5))
        self.train(False)

    def train(self, mode: bool = True) -> _Cached:
        if self.training or mode:
            super().train(mode)
            self.cached = None if mode else self.scale.detach().clone()
        return self

    def forward(self, x: Tensor) -> Tensor:
        return x * (self.scale if self.cached is None else self.cached)


def stale() -> nn.Module:
    """Its weights came after eval(), so a cache still holds the old ones."""
    made = model(lambda self, x: self.net(self.layer(x)), layer=_Cached())
    made.eval()
    with torch.no_grad():
        made.layer.scale.fill_(1.0)  # type: ignore[union-attr]
    return made
