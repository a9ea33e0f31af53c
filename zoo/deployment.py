"""Makes the model to measure from the model to train: its frozen and faster equal."""

from __future__ import annotations

import copy
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from zoo.errors import UserError
from zoo.models.classifier import Classifier


class Deployed(nn.Module):
    """A zoo model for measuring: same logits, group filters expanded, batch norm folded, parameters frozen.

    Works in channels-last layout inside; logits and input gradients are contiguous as anyone outside expects.
    """

    def __init__(self, body: Classifier) -> None:
        super().__init__()
        self.image_shape = body.image_shape
        self.classes = body.classes
        self.body = body

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n {self.classes}"]:
        return self.body(ChannelsLast.apply(x)).contiguous()


class ChannelsLast(torch.autograd.Function):
    """Channels-last on the way in; contiguous on the way back, as attack libraries call ``grad.view``."""

    @staticmethod
    def forward(ctx: Any, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return x.contiguous(memory_format=torch.channels_last)

    @staticmethod
    def backward(ctx: Any, grad: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return grad.contiguous()


class DeployError(UserError):
    """A module cannot be copied to be measured; the message says why."""


def deploy(model: nn.Module) -> nn.Module:
    """The equal of ``model`` in eval mode, for measuring; ``model`` itself is left as it was.

    A zoo model becomes a ``Deployed``: equal to 1e-5·max(1, max|logit|) in float32 and 1e-10 in float64.
    Of any other module the copy is only frozen and set to eval mode.

    Raises:
        DeployError: ``model`` cannot be deep-copied.
    """
    try:
        with torch.no_grad():  # a TorchScript module's copy would else be computed from it
            duplicate = copy.deepcopy(model)
    except Exception as error:
        raise DeployError(
            f"cannot copy {type(model).__name__} to deploy it ({error}); pass a module that copies"
        ) from error
    if isinstance(duplicate, Classifier):
        duplicate = Deployed(_with_deployed_parts(duplicate)).to(memory_format=torch.channels_last)
    # Frozen before eval: modules that cache filters in eval mode (e2cnn, escnn) would else keep a graph to them.
    duplicate.train()
    for parameter in duplicate.parameters():  # TorchScript modules have no requires_grad_
        parameter.requires_grad_(False)
    return duplicate.eval()


def _with_deployed_parts(module: Any) -> Any:
    """Replaces, in place, every part that knows its deployed equal."""
    for name, part in module.named_children():
        setattr(module, name, part.deployed() if hasattr(part, "deployed") else _with_deployed_parts(part))
    return module
