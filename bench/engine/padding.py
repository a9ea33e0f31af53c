"""Batches filled up to a few fixed sizes, since a GPU plans anew for each size that it has not seen.

What an attack leaves standing shrinks image by image; the network sees eight sizes at most. The images that fill a
batch up are copies of its first one, whose answers are dropped, and no gradient flows through them. An attack sees, and
draws random numbers for, its own images alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

SIZES = 8  # at most
_everywhere = False


class Padded(nn.Module):
    """Answers like the model it wraps, which is asked about batches of few sizes.

    Args:
        model: classifier of (n, c, h, w) images in eval mode.
        most: the largest size; larger batches go through as they are.
    """

    def __init__(self, model: nn.Module, most: int) -> None:
        super().__init__()
        self.model = model
        self._sizes = sizes(most)
        self.eval()

    def forward(self, x: Float[Tensor, "n c h w"]) -> Tensor:
        n = len(x)
        size = next((each for each in self._sizes if each >= n), n)
        if size == n or n == 0:
            return self.model(x)
        return self.model(torch.cat([x, x[:1].detach().expand(size - n, -1, -1, -1)]))[:n]


def sizes(most: int) -> tuple[int, ...]:
    """The sizes that batches are filled up to, ascending: ``most`` and the seven powers of two below it."""
    below = [2**k for k in range((most - 1).bit_length())]
    return (*below[1 - SIZES :], most)


def padded(model: nn.Module, most: int, device: torch.device) -> nn.Module:
    """The model, on a GPU asked about batches of few sizes; one in training mode, whose answers may mix, as it is."""
    mixes = any(part.training for part in model.modules())
    return model if mixes or not (_everywhere or device.type == "cuda") else Padded(model, most)


@contextlib.contextmanager
def padding_everywhere() -> Iterator[None]:
    """Pads on a CPU too, in this process."""
    global _everywhere
    before, _everywhere = _everywhere, True
    try:
        yield
    finally:
        _everywhere = before
