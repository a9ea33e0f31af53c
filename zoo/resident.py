"""Images and labels on the device that computes: copied there once, pixels as they are stored, a byte each."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from zoo.data import Dataset


@dataclass(frozen=True)
class Resident:
    """`pixels` are uint8 (n, c, h, w) of 0 to `levels`, `labels` int64 (n,), both on one device."""

    pixels: UInt8[Tensor, "n c h w"]
    labels: Int64[Tensor, " n"]
    levels: int

    def __len__(self) -> int:
        return len(self.labels)

    def images(self, places: Int64[Tensor, " k"] | slice) -> Float32[Tensor, "k c h w"]:
        """The images at these places in [0, 1], float32 (k, c, h, w)."""
        return self.pixels[places].float().div_(self.levels)


def place(data: Dataset, device: str) -> Resident:
    """All images of `data` on `device`."""
    pixels, labels = torch.tensor(data.pixels[:]), torch.tensor(data.labels)
    return Resident(pixels.to(device), labels.to(device), data.levels)
