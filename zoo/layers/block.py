"""Convolution, batch normalisation, ReLU: the unit every model of the zoo is made of."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from zoo.layers.group import C1, Group
from zoo.layers.group_conv import GroupConv, LiftingConv
from zoo.layers.group_norm import GroupBatchNorm
from zoo.layers.scale import ScaleConv


class Block(nn.Module):
    """conv → batch norm → ReLU."""

    def __init__(self, conv: LiftingConv | GroupConv | ScaleConv, norm: GroupBatchNorm) -> None:
        super().__init__()
        self.conv = conv
        self.norm = norm

    def forward(self, x: Float[Tensor, "n channels h w"]) -> Float[Tensor, "n outputs h w"]:
        return torch.relu(self.norm(self.conv(x)))

    def deployed(self) -> nn.Module:
        """Its equal in eval mode: the batch norm folded into one plain convolution."""
        return nn.Sequential(self.conv.folded(*self.norm.affine_map()), nn.ReLU(inplace=True))


def lifting_block(in_channels: int, fields: int, group: Group) -> Block:
    """3×3, from (n, in_channels, h, w) to (n, fields·order, h, w)."""
    return Block(LiftingConv(in_channels, fields, 3, group), GroupBatchNorm(fields, group))


def group_block(in_fields: int, fields: int, group: Group) -> Block:
    """3×3, from (n, in_fields·order, h, w) to (n, fields·order, h, w)."""
    return Block(GroupConv(in_fields, fields, 3, group), GroupBatchNorm(fields, group))


def conv_block(in_channels: int, out_channels: int) -> Block:
    """3×3, ordinary: from (n, in_channels, h, w) to (n, out_channels, h, w)."""
    return lifting_block(in_channels, out_channels, C1)


def scale_block(in_channels: int, out_channels: int, size: int) -> Block:
    """3×3 shared over scales: from (n, in_channels, size, size) to (n, out_channels, size, size)."""
    return Block(ScaleConv(in_channels, out_channels, size), GroupBatchNorm(out_channels, C1))
