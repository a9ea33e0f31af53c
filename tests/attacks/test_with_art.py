"""ART's attacks on linear models whose boundary is known."""

from __future__ import annotations

import copy
import os
from pathlib import Path

import pytest
import torch
from torch import nn

from bench.attacks.with_art import cw
from bench.engine.balls import distance
from bench.errors import CellError
from tests.sparse_problem import far_problem
from tests.toys import linear_problem

STEP = 0.005  # how far a step of Adam moves a pixel


def test_carlini_and_wagner_in_linf_come_near_a_linear_models_boundary() -> None:
    for (model, x, y, _), steps in ((linear_problem(4), 5), (far_problem(2), 40)):
        radius = model(x)[:, 1].abs().double() / model.weight.abs().sum()
        images = cw(model, x, y, norm="linf", steps=steps)
        assert (model(images).argmax(1) != y).all()
        over = distance(x, images, "linf") - radius
        assert float(over.min()) >= -1e-6
        assert (
            over <= STEP + 0.1 * radius
        ).all()  # the last bound that is tried is nine tenths of what was found


def test_nothing_found_is_the_image_itself_and_the_model_stays_as_it_was(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 3)).requires_grad_(False).eval()
    nn.init.zeros_(net[1].weight)
    net[1].bias[:] = torch.tensor([2.0, 1.0, 0.0])
    state, x, y = copy.deepcopy(net.state_dict()), torch.rand(2, 1, 4, 4), torch.zeros(2, dtype=torch.int64)
    before = os.listdir(Path.home())
    assert torch.equal(cw(net, x, y, norm="linf", steps=1), x)
    assert os.listdir(Path.home()) == before
    assert all(torch.equal(value, net.state_dict()[key]) for key, value in state.items())
    assert not any(module.training for module in net.modules())
    with pytest.raises(CellError, match="in norm l2; use foolbox:cw in norm l2"):
        cw(net, x, y, norm="l2", steps=1)
