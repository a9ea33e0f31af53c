"""Layers that join branches with the same input (the paper's App. C.2–C.3)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Concatenate(nn.Module):
    """The branches' outputs side by side along the channel axis."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Float[Tensor, "n channels *space"]) -> Float[Tensor, "n outputs *space"]:
        return torch.cat([branch(x) for branch in self.branches], 1)


class WeightedSum(nn.Module):
    """The branches' outputs (all of one shape), summed with the softmax of learned numbers as weights."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.logits = nn.Parameter(torch.zeros(len(branches)))

    def forward(self, x: Float[Tensor, "n channels *space"]) -> Float[Tensor, "n outputs *space"]:
        weights = self.logits.softmax(0)
        return torch.stack([w * branch(x) for w, branch in zip(weights, self.branches, strict=True)]).sum(0)
