"""A model that remembers its last gradient.

A single-step attack needs the same gradient at every ε of a grid. The zoo's deployed models are pure functions, so the
stored gradient is exactly what the model would compute again.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn


class GradientCache(nn.Module):
    """Gives the same outputs as the wrapped model; a repeated input with a repeated gradient is not computed again.

    Args:
        model: a deterministic classifier of (n, c, h, w) images with frozen parameters, in eval mode.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self._images: Tensor | None = None
        self._logits: Tensor | None = None
        self._leaf: Tensor | None = None
        self._asked: Tensor | None = None
        self._gradient: Tensor | None = None
        self.eval()

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        """Logits (n, classes) of the images."""
        if not (torch.is_grad_enabled() and x.requires_grad):
            return self.model(x)
        return _Recalled.apply(x, self)

    def logits(self, x: Tensor) -> Tensor:
        """Logits without a graph, computed with one unless the images are those of the last time."""
        if self._logits is None or self._images is None or not torch.equal(x, self._images):
            self._logits = self._leaf = None  # two graphs would take twice the memory
            with torch.enable_grad():
                leaf = x.detach().clone().requires_grad_()
                logits = self.model(leaf)
            self._leaf, self._logits, self._images, self._asked = leaf, logits, leaf.detach(), None
            return logits.detach().clone()
        return self._logits.detach().clone()

    def gradient(self, asked: Tensor) -> Tensor:
        """Gradient by the images of ⟨logits, asked⟩, computed unless it is that of the last time."""
        if self._logits is None or self._leaf is None:
            raise RuntimeError("a gradient was requested before any logits")
        if self._asked is None or self._gradient is None or not torch.equal(asked, self._asked):
            (self._gradient,) = torch.autograd.grad(self._logits, self._leaf, asked, retain_graph=True)
            self._asked = asked.clone()
        return self._gradient.clone()


class _Recalled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, memo: GradientCache) -> Tensor:
        ctx.memo = memo
        return memo.logits(x)

    @staticmethod
    def backward(ctx: Any, asked: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return ctx.memo.gradient(asked), None
