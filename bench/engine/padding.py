"""Batches filled up to a few fixed sizes, since a GPU is slow the first time it gets a new size.

The images that are still right shrink in number during an attack; with padding the network sees at most eight sizes.
The images that fill a batch are copies of its first one. Their outputs are dropped, and no gradient flows through them.
An attack sees, and draws random numbers for, only its own images.
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
    """Gives the same outputs as the wrapped model, which only gets batches of a few sizes.

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


def mixes(model: nn.Module) -> bool:
    """Whether images of a batch may affect each other's outputs, as in training mode."""
    return any(part.training for part in model.modules())


def padded(model: nn.Module, most: int, device: torch.device) -> nn.Module:
    """The model, padded on a GPU; unchanged in training mode, where images of a batch may affect each other."""
    return model if mixes(model) or not (_everywhere or device.type == "cuda") else Padded(model, most)


@contextlib.contextmanager
def padding_everywhere() -> Iterator[None]:
    """Pads on a CPU too, in this process."""
    global _everywhere
    before, _everywhere = _everywhere, True
    try:
        yield
    finally:
        _everywhere = before
