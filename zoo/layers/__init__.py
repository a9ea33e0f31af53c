"""Group convolution, scale branch, fusion, normalisation."""

from zoo.layers.block import Block, conv_block, group_block, lifting_block, scale_block
from zoo.layers.fusion import Concatenate, WeightedSum
from zoo.layers.group import C1, P4, P4M, Group
from zoo.layers.group_conv import GroupConv, LiftingConv
from zoo.layers.group_norm import GroupBatchNorm, GroupPool
from zoo.layers.normalize import Normalize
from zoo.layers.resize import Resize, bicubic_matrix
from zoo.layers.scale import ScaleConv

__all__ = [
    "C1",
    "P4",
    "P4M",
    "Block",
    "Concatenate",
    "Group",
    "GroupBatchNorm",
    "GroupConv",
    "GroupPool",
    "LiftingConv",
    "Normalize",
    "Resize",
    "ScaleConv",
    "WeightedSum",
    "bicubic_matrix",
    "conv_block",
    "group_block",
    "lifting_block",
    "scale_block",
]
