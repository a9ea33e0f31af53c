"""The p4 layers against e2cnn 0.2.3 (Weiler & Cesa 2019), an independent implementation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from zoo.layers import P4, GroupBatchNorm, GroupConv, GroupPool, LiftingConv

pytestmark = [
    # e2cnn's basis expansion indexes with a byte mask, as torch of its time did.
    pytest.mark.filterwarnings("ignore:indexing with dtype torch.uint8:UserWarning"),
]

e2cnn = pytest.importorskip("e2cnn")
from e2cnn import gspaces  # noqa: E402
from e2cnn import nn as e2nn  # noqa: E402

TURNS = gspaces.Rot2dOnR2(4)


def trivial(count: int):
    return e2nn.FieldType(TURNS, count * [TURNS.trivial_repr])


def regular(count: int):
    return e2nn.FieldType(TURNS, count * [TURNS.regular_repr])


def oracle(inputs, outputs, kernel: int) -> tuple[nn.Module, Tensor, Tensor]:
    """e2cnn's convolution, its expanded filter (outputs, inputs, k, k) and bias (outputs,)."""
    torch.manual_seed(0)
    conv = e2nn.R2Conv(inputs, outputs, kernel, padding=kernel // 2, bias=True)
    conv.bias.data.normal_()
    expanded, bias = conv.expand_parameters()
    return conv, expanded.detach(), bias.detach()


@pytest.mark.parametrize("kernel", [3, 5])
def test_lifting_convolution(kernel: int):
    theirs, expanded, bias = oracle(trivial(3), regular(2), kernel)
    ours = LiftingConv(3, 2, kernel, P4, bias=True)
    ours.weight.data = expanded[:: P4.order].clone()
    ours.bias.data = bias[:: P4.order].clone()
    x = torch.rand(2, 3, 9, 9)
    torch.testing.assert_close(ours.expanded()[0], expanded, atol=1e-6, rtol=0)
    torch.testing.assert_close(ours(x), theirs(e2nn.GeometricTensor(x, trivial(3))).tensor, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kernel", [3, 5])
def test_group_convolution(kernel: int):
    theirs, expanded, bias = oracle(regular(2), regular(3), kernel)
    ours = GroupConv(2, 3, kernel, P4, bias=True)
    ours.weight.data = expanded[:: P4.order].unflatten(1, (2, P4.order)).clone()
    ours.bias.data = bias[:: P4.order].clone()
    x = torch.rand(2, 8, 9, 9)
    torch.testing.assert_close(ours.expanded()[0], expanded, atol=1e-6, rtol=0)
    torch.testing.assert_close(ours(x), theirs(e2nn.GeometricTensor(x, regular(2))).tensor, atol=1e-5, rtol=0)


def test_batch_norm_and_group_pooling():
    x = torch.rand(4, 8, 6, 6)
    wrapped = e2nn.GeometricTensor(x, regular(2))
    norm = e2nn.InnerBatchNorm(regular(2))
    torch.testing.assert_close(GroupBatchNorm(2, P4)(x), norm(wrapped).tensor, atol=1e-5, rtol=0)
    assert torch.equal(GroupPool(P4)(x), e2nn.GroupPooling(regular(2))(wrapped).tensor)


def test_maps_turn_as_regular_fields_do():
    x = torch.rand(1, 8, 5, 5)
    for turns in range(P4.order):
        moved = e2nn.GeometricTensor(x, regular(2)).transform(turns).tensor
        torch.testing.assert_close(P4.act(x, turns), moved, atol=1e-6, rtol=0)
