"""The outputs of any model's layers, as a few numbers for each image."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

LAYERS = 4  # layers that are looked at, evenly spaced in the order in which they compute

Features = Float[Tensor, "n _"]


@contextlib.contextmanager
def _watched(model: nn.Module) -> Iterator[list[Features]]:
    """The output of every innermost layer, averaged over space, an entry for each call within."""
    seen: list[Tensor] = []

    def note(_: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        if isinstance(output, Tensor) and output.ndim >= 2 and output.is_floating_point():
            maps = output.flatten(2) if output.ndim > 3 else output
            seen.append((maps if maps.ndim == 2 else maps.mean(2)).float())

    leaves = [each for each in model.modules() if not list(each.children())]
    hooks = [
        each.register_forward_hook(note) for each in leaves if not isinstance(each, torch.jit.ScriptModule)
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def features(
    model: nn.Module, x: Float[Tensor, "n c h w"]
) -> tuple[Float[Tensor, "n classes"], Sequence[Features]]:
    """Logits, and the features of up to ``LAYERS`` layers that come before them; there may be none of the latter."""
    with _watched(model) as seen:
        logits = model(x)
    inner = [each for each in seen if len(each) == len(x)][:-1]
    places = dict.fromkeys((at + 1) * len(inner) // (LAYERS + 1) for at in range(LAYERS) if inner)
    return logits, [inner[at] for at in places]
