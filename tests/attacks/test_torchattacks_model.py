"""Faults of torchattacks do not affect a result."""

from __future__ import annotations

import copy

import pytest
import torch
import torchattacks
from torch import Tensor, nn

from bench.attacks.torchattacks_model import check_squares
from bench.errors import CellError
from tests.torchattacks_calls import (
    ALL,
    BALLS,
    CALLS,
    Blocks,
    blocks_problem,
    broken,
    call,
    check_in_ball,
    own_images,
    small_net,
)


@pytest.mark.parametrize("side", [*range(2, 40), 64])
def test_sizes_refused_are_those_the_librarys_square_breaks_down_at(side: int) -> None:
    x = torch.rand(1, 1, side, side, generator=torch.Generator().manual_seed(0))
    model = nn.Sequential(nn.Flatten(), nn.Linear(side * side, 3)).requires_grad_(False).eval()
    y = model(x).argmax(1)
    attack = torchattacks.Square(model, norm="L2", eps=1e-4, n_queries=3)
    if side in (2, 3, 4, 12, 14, 18, 19, 24):
        with pytest.raises((RuntimeError, ZeroDivisionError)):
            attack(x, y)
        with pytest.raises(CellError, match=rf"no squares for {side}×{side} images in L2; use norm linf"):
            check_squares(x, "l2")
    else:
        assert attack(x, y).shape == x.shape
        check_squares(x, "l2")
    check_squares(x, "linf")


def test_long_images_are_refused_in_l2_only() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(8 * 32, 4)).requires_grad_(False).eval()
    x = torch.rand(4, 1, 8, 32, generator=torch.Generator().manual_seed(0))
    y = model(x).argmax(1)
    for name in ("square", "autoattack"):
        with pytest.raises(CellError, match="8×32"):
            call(name, model, x, y, "l2", 1.0)
        check_in_ball(x, call(name, model, x, y, "linf", 0.3), "linf", 0.3)


class Table(nn.Module):
    """A black box: logits are rows of a table that lives in the model, in sight of who writes into them."""

    table: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.eye(4).repeat(4, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.table[: len(x)]


@pytest.mark.parametrize("norm", BALLS)
def test_square_writes_into_a_copy_of_the_logits(norm: str) -> None:
    model, x = Table().eval(), torch.rand(16, 1, 8, 8)
    before = model.table.clone()
    y = model(x).argmax(1)
    assert torch.equal(call("square", model, x, y, norm, 0.5), x)
    assert torch.equal(model.table, before)


def test_a_models_class_name_changes_nothing() -> None:
    class RobModel(Blocks):
        mean = torch.tensor([0.5])
        std = torch.tensor([0.2])

    model, x, y, _ = blocks_problem(4, 8)
    named = RobModel(model.weight.detach()).requires_grad_(False).eval()
    expected = call("apgd_ce", model, x, y, "linf", 0.03)
    assert torch.equal(call("apgd_ce", named, x, y, "linf", 0.03), expected)


@pytest.mark.parametrize(("name", "norm"), [each for each in CALLS if each[1] == "l2"])
def test_channels_last_models_and_images_are_attacked_too(name: str, norm: str) -> None:
    model = small_net()
    x, y = own_images(model)
    last = copy.deepcopy(model).to(memory_format=torch.channels_last)
    images = x.contiguous(memory_format=torch.channels_last)
    attacked = call(name, last, images, y, norm, 3.0)
    assert bool(broken(model, attacked, y).all())


def test_models_without_parameters_leave_standard_output_alone(capsys: pytest.CaptureFixture[str]) -> None:
    class Bare(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(1)[:, :4]

    x = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    y = Bare()(x).argmax(1)
    for name in ALL:
        assert bool(broken(Bare(), call(name, Bare(), x, y, "linf", 1.0), y).all())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("training", [False, True])
def test_the_models_mode_is_put_back(training: bool) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 4)).requires_grad_(False).train(training)
    x, y = own_images(model, 4, channels=1)
    call("apgd_ce", model, x, y, "linf", 0.1)
    assert [module.training for module in model.modules()] == [training] * 3
