"""The three kinds of branches of the fronts, each with the same number of channels."""

from __future__ import annotations

from torch import nn

from zoo.layers import P4, conv_block, lifting_block, scale_block


def standard(in_channels: int, out_channels: int) -> nn.Module:
    """An ordinary convolution."""
    return conv_block(in_channels, out_channels)


def rotation(in_channels: int, out_channels: int) -> nn.Module:
    """A p4 convolution of out_channels/4 fields (the paper's App. C.1.1); equivariant to quarter turns."""
    return lifting_block(in_channels, out_channels // P4.order, P4)


def scale(in_channels: int, out_channels: int, size: int) -> nn.Module:
    """A convolution shared over three scales (App. C.1.2)."""
    return scale_block(in_channels, out_channels, size)
