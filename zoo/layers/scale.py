"""The scale branch's convolution (the paper's App. C.1.2)."""

from __future__ import annotations

import copy

import torch
from jaxtyping import Float
from torch import Tensor, nn

from zoo.layers.group import C1
from zoo.layers.group_conv import LiftingConv
from zoo.layers.resize import Resize


class ScaleConv(nn.Module):
    """One 3×3 convolution shared over resized copies of the input, each resized back, averaged.

    (n, in_channels, size, size) → (n, out_channels, size, size).

    Raises:
        ValueError: a scale does not take ``size`` to a whole number of pixels.
    """

    def __init__(
        self, in_channels: int, out_channels: int, size: int, scales: tuple[float, ...] = (0.5, 1, 2)
    ) -> None:
        super().__init__()
        for scale in scales:
            if size * scale < 1 or size * scale % 1:
                raise ValueError(
                    f"scale {scale} of size {size} is no whole number of pixels; choose another size"
                )
        sizes = [int(size * scale) for scale in scales]
        self.conv: nn.Module = LiftingConv(in_channels, out_channels, 3, C1)
        self.there = nn.ModuleList(nn.Identity() if s == size else Resize(size, s) for s in sizes)
        self.back = nn.ModuleList(nn.Identity() if s == size else Resize(s, size) for s in sizes)

    def forward(self, x: Float[Tensor, "n channels s s"]) -> Float[Tensor, "n outputs s s"]:
        responses = [back(self.conv(there(x))) for there, back in zip(self.there, self.back, strict=True)]
        return torch.stack(responses).mean(0)

    def folded(self, scale: Float[Tensor, " outputs"], shift: Float[Tensor, " outputs"]) -> nn.Module:
        """This layer with ``scale · y + shift`` in its convolution: resizing leaves a constant as it is."""
        assert isinstance(self.conv, LiftingConv)
        layer = copy.deepcopy(self)
        layer.conv = self.conv.folded(scale, shift)
        return layer
