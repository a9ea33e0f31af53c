"""Batch normalisation and pooling that respect the group axis."""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from zoo.layers.batch_norm import batch_norm
from zoo.layers.group import Group


class GroupBatchNorm(nn.BatchNorm2d):
    """Batch normalisation with one mean and variance a field, shared over the group axis: keeps equivariance.

    Maps (n, fields·order, h, w) to the same shape. Over C1 it is ``nn.BatchNorm2d``.
    """

    def __init__(self, fields: int, group: Group) -> None:
        super().__init__(fields)
        self.group = group

    def forward(self, input: Float[Tensor, "n channels h w"]) -> Float[Tensor, "n channels h w"]:
        n, _, h, w = input.shape
        maps = input.reshape(n, self.num_features, -1, w)
        own = self.training and maps.device.type == "cpu"
        return (batch_norm(self, maps) if own else super().forward(maps)).reshape(n, -1, h, w)

    def affine_map(self) -> tuple[Float64[Tensor, " channels"], Float64[Tensor, " channels"]]:
        """Its map in eval mode: scale and shift (fields·order,), in float64."""
        assert self.running_mean is not None
        assert self.running_var is not None
        scale = self.weight.detach().double() / torch.sqrt(self.running_var.double() + self.eps)
        shift = self.bias.detach().double() - self.running_mean.double() * scale
        return scale.repeat_interleave(self.group.order), shift.repeat_interleave(self.group.order)


class GroupPool(nn.Module):
    """The largest value over the group: (n, fields·order, ...) → (n, fields, ...)."""

    def __init__(self, group: Group) -> None:
        super().__init__()
        self.group = group

    def forward(self, x: Float[Tensor, "n channels *space"]) -> Float[Tensor, "n fields *space"]:
        return x.unflatten(1, (-1, self.group.order)).amax(2)
