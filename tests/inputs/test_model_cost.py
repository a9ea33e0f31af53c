"""Multiply-adds and memory of a network, counted by hand."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor, nn

import zoo
from bench.commands.cli import main
from bench.inputs.model_cost import ModelCost, model_cost
from zoo.layers import Concatenate, scale_block

FLOAT = 4  # bytes


def cost_of(model: nn.Module, *shape: int) -> ModelCost:
    return model_cost(model.requires_grad_(False).eval(), torch.rand(1, *shape))


def test_a_linear_layer_by_hand() -> None:
    found = cost_of(nn.Sequential(nn.Flatten(), nn.Linear(12, 5)), 3, 2, 2)
    assert found.forward.multiply_adds == found.backward.multiply_adds == 12 * 5
    image, weights, logits = 12, 5 * 12 + 5, 5
    assert found.forward.memory == FLOAT * (image + weights + logits)
    assert found.backward.memory >= found.forward.memory + FLOAT * image  # and the gradient
    assert found.backward.seconds > 0


def test_a_convolution_by_hand() -> None:
    found = cost_of(nn.Conv2d(3, 8, 3, padding=1, stride=2), 3, 16, 16)
    assert found.forward.multiply_adds == found.backward.multiply_adds == (3 * 9) * 8 * (8 * 8)
    assert found.forward.memory == FLOAT * (3 * 16 * 16 + 8 * 3 * 9 + 8 + 8 * 8 * 8)


def test_memory_is_the_most_at_once_and_not_the_sum() -> None:
    """Without a gradient, the first of three outputs is gone before the third is made."""
    found = cost_of(nn.Sequential(*(nn.Conv2d(1, 1, 1, bias=False) for _ in range(3))), 1, 100, 100)
    maps = FLOAT * 100 * 100
    assert found.forward.memory == 3 * maps + 3 * FLOAT
    assert found.forward.multiply_adds == 3 * 100 * 100


def test_a_scale_branch_convolves_three_sizes_and_resizes_four_times() -> None:
    size, fields = 16, 8
    found = cost_of(Concatenate(scale_block(3, fields, size)), 3, size, size)
    convolved = 3 * 9 * fields * (8**2 + 16**2 + 32**2)
    there = 3 * sum(new * size * size + new * new * size for new in (8, 32))
    back = fields * sum(size * old * old + size * size * old for old in (8, 32))
    assert found.forward.multiply_adds == convolved + there + back


def test_a_rotation_layer_computes_its_four_turns() -> None:
    plain, turned = (
        cost_of(zoo.deploy(zoo.build(name, channels=1, size=16)), 1, 16, 16)
        for name in ("baseline_cnn_4", "equivariant_gcnn_4")
    )
    assert 3.5 < turned.forward.multiply_adds / plain.forward.multiply_adds < 4.5
    assert turned.forward.memory > 3 * plain.forward.memory


def test_weights_are_left_without_gradients() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 2).requires_grad_(False)

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(x.flatten(1))

    model = Own()
    image = torch.rand(1, 1, 2, 2)
    model_cost(model, image)
    assert model.linear.weight.grad is None
    assert image.grad is None
    assert not image.requires_grad


def test_list_shows_the_cost_of_designs_and_refuses_what_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "models", "baseline_cnn_4*", "--cost", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["models"]
    assert {row["model"] for row in rows} == {"baseline_cnn_4"}  # a recipe changes no cost
    found = {row["images"]: row for row in rows}
    digits = found["1×16×16, 10 classes"]
    widths, sides = (1, 8, 32, 64, 128), (16, 8, 4, 2)  # a pooling after each of the first three
    by_hand = sum(9 * a * b * s * s for a, b, s in zip(widths, widths[1:], sides, strict=False))
    assert digits["forward: multiply-adds"] == by_hand + 128 * 10
    assert digits["parameters"] == zoo.find("baseline_cnn_4", "digits").parameters
    assert main(["list", "attacks", "--cost"]) == 2
    assert "bench list models --cost" in capsys.readouterr().err
    assert main(["list", "models", "torchvision:res*", "--cost"]) == 2
