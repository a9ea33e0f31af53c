"""A model for a released script: a network on the script's own input space."""

from __future__ import annotations

import copy

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bench.engine.protocols import Released
from bench.studies.released.checks import NORMALISATION, check_network


class Network(nn.Module):
    """A copy of a model that takes z = (x − mean) / std instead of pixels x; parameters are frozen.

    The model gets z·std + mean, also where the clamp left that outside [0, 1]. Under a raw protocol the model's
    normalisation layer is the identity.

    Args:
        model: classifier of images in [0, 1], not deployed: batch norm must be there to change its mode.
        rules: the protocol.
        channels: of the images. Those of one channel take the mean of the protocol's constants.

    Raises:
        UsageError: as ``check_network``.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, rules: Released, channels: int) -> None:
        super().__init__()
        check_network(model, type(model).__name__, rules, channels)
        with torch.no_grad():  # a TorchScript module's copy would else be computed from it
            self.model = copy.deepcopy(model)
        if rules.raw:
            setattr(self.model, NORMALISATION, nn.Identity())
        self.register_buffer("mean", _by_channel(rules.mean, channels))
        self.register_buffer("std", _by_channel(rules.std, channels))
        # Frozen in training mode: modules that cache filters in eval mode would else keep a graph to them.
        self.train().requires_grad_(False)

    def forward(self, z: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        """Logits (n, classes)."""
        return self.model(self.pixels(z))

    def inputs(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Images in [0, 1] in the protocol's input space."""
        return (x - self.mean) / self.std

    def pixels(self, z: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """The reverse of ``inputs``."""
        return z * self.std + self.mean


def _by_channel(constants: tuple[float, ...], channels: int) -> Float[Tensor, "1 c 1 1"]:
    values = torch.tensor(constants)
    if len(constants) != channels:
        values = values.double().mean().float().repeat(channels)
    return values.view(1, -1, 1, 1)
