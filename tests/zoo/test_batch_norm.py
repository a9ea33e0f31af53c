"""Batch normalisation in training: torch's own values and first derivatives, and second ones that are right."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from zoo.layers import C1, P4, Group, GroupBatchNorm
from zoo.layers.batch_norm import _Norm, batch_norm


def norm(channels: int, dtype: torch.dtype) -> nn.BatchNorm2d:
    made = nn.BatchNorm2d(channels).to(dtype)
    nn.init.normal_(made.weight)
    nn.init.normal_(made.bias)
    return made


def derivatives(
    own: bool, layout: torch.memory_format, dtype: torch.dtype, bfloat16: bool
) -> tuple[list[Tensor], list[Tensor]]:
    """Value, first derivatives and running statistics; second derivatives."""
    torch.manual_seed(0)
    layer, conv = norm(8, dtype), nn.Conv2d(3, 8, 3).to(dtype)
    x = (2 * torch.randn(4, 3, 6, 6, dtype=dtype) + 1).contiguous(memory_format=layout).requires_grad_(True)
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        maps = conv(x)
        y = batch_norm(layer, maps) if own else layer(maps)
        value = y.to(dtype).sigmoid().square().mean()
    first = torch.autograd.grad(value, [x, layer.weight, layer.bias], create_graph=True)
    penalty = 100 * sum(each.square().sum() for each in first)
    second = torch.autograd.grad(penalty, [x, layer.weight, layer.bias, conv.weight])
    return [value, *first, *layer.buffers()], list(second)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(
    ("dtype", "bfloat16", "within"),
    [(torch.float64, False, 1e-14), (torch.float32, False, 1e-5), (torch.float32, True, 0.02)],
)
def test_it_is_torchs_own_with_the_same_second_derivatives(
    layout: torch.memory_format, dtype: torch.dtype, bfloat16: bool, within: float
) -> None:
    own, torchs = (derivatives(own, layout, dtype, bfloat16) for own in (True, False))
    for one, other in zip(own[0], torchs[0], strict=True):
        assert torch.equal(one, other)
    for one, other in zip(own[1], torchs[1], strict=True):
        assert float(other.abs().max()) > 1e-4
        torch.testing.assert_close(one, other, rtol=0, atol=within * float(other.abs().max()))


def test_second_derivatives_are_those_of_small_steps() -> None:
    torch.manual_seed(0)
    layer = norm(3, torch.float64)
    x = torch.randn(3, 3, 2, 3, dtype=torch.float64, requires_grad=True)

    def apply(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        running = torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
        return _Norm.apply(x, weight, bias, running, 0.1, 1e-5)

    assert torch.autograd.gradgradcheck(apply, (x, layer.weight, layer.bias))


@pytest.mark.parametrize("group", [C1, P4])
def test_group_batch_norm_takes_it_in_training_alone(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x = GroupBatchNorm(2, group), torch.randn(4, 2 * group.order, 3, 3)
    called: list[int] = []
    monkeypatch.setattr(
        "zoo.layers.group_norm.batch_norm", lambda *given: called.append(1) or batch_norm(*given)
    )
    trained = layer(x).unflatten(1, (2, -1))
    assert called == [1]
    assert trained.var((0, 2, 3, 4), correction=0).tolist() == pytest.approx([1, 1], abs=1e-3)
    layer.eval()(x)
    assert called == [1]
