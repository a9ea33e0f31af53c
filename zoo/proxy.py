"""The weights of one step ago, from which a step of LAST starts (Liu et al. 2023, "Learn from the Past").

With θ the model's weights, ω those of one step ago, L the loss on images attacked at θ and γ the share:
ω̃ = ω − (an optimiser's step on L at ω), then θ ← θ − γ·(θ − ω̃). The paper's abstract speaks of a proxy made of
the target's past states, whose response corrects the update; that ω is one step old is our reading. In the first
step of an epoch ω is θ itself, so that a training which was stopped continues to the same weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Proxy:
    """Swaps a model's parameters around an optimiser's step; with share γ = 0 it does nothing.

    Statistics of batch norm are not swapped: they are of all batches.
    """

    def __init__(self, model: nn.Module, share: float) -> None:
        self.share = share
        self._parameters = list(model.parameters()) if share else []
        self._target: list[Tensor] = []
        self._past: list[Tensor] = []

    @torch.no_grad()
    def recall(self) -> None:
        """The model takes the weights of one step ago; call it when the attack is made."""
        self._target = [value.clone() for value in self._parameters]
        for value, past in zip(self._parameters, self._past, strict=False):
            value.copy_(past)

    @torch.no_grad()
    def answer(self) -> None:
        """The model takes θ − γ·(θ − ω̃), where ω̃ is what the optimiser has just made of its parameters."""
        for value, target in zip(self._parameters, self._target, strict=True):
            value.copy_(target.lerp(value, self.share))
        self._past = self._target
