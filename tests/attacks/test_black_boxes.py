"""Attacks that use only classes or logits: the distances they reach with their queries, and the number of these."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.attacks import adapter
from bench.attacks.measure import measure
from bench.engine.balls import distance
from bench.errors import CellError
from tests.attacks.test_measure import cell_for
from tests.sparse_problem import far_problem
from tests.toys import linear_problem

# attack, norm, and how many times the exact distance it finds after 500 and after 4,000 queries
DECISIONS = [
    ("boundary", "l2", 20.0, 1.2),
    ("hopskipjump", "l2", 6.0, 1.5),
    ("hopskipjump", "linf", 3.0, 1.2),
]
BOUNDS = pytest.mark.parametrize(("attack", "norm", "early", "late"), DECISIONS)


def exact(model: Any, x: Tensor, norm: str) -> Tensor:
    order = {"l2": 2, "linf": 1}[norm]
    return model(x)[:, 1].abs().double() / model.weight.double().flatten().norm(p=order)


def called(
    attack: str, model: nn.Module, x: Tensor, y: Tensor, norm: str, queries: int
) -> tuple[Tensor, int]:
    """The result of an attack, and its passes for each image."""
    asked: list[int] = []
    hook = model.register_forward_hook(lambda _, given, out: asked.append(len(given[0])))
    torch.manual_seed(0)
    images = adapter(attack, "foolbox")(model, x, y, norm=norm, queries=queries)
    hook.remove()
    return images, sum(asked)


@BOUNDS
def test_more_queries_come_nearer_to_a_linear_models_boundary(
    attack: str, norm: str, early: float, late: float
) -> None:
    model, x, y, _ = linear_problem(8)
    for queries, within in ((500, early), (4000, late)):
        images, asked = called(attack, model, x, y, norm, queries)
        assert asked == 8 * queries
        assert (model(images).argmax(1) != y).all()
        ratio = distance(x, images, norm) / exact(model, x, norm)
        assert float(ratio.min()) >= 1 - 1e-6
        assert float(ratio.max()) <= within


@BOUNDS
def test_images_without_a_start_stay_and_leave_the_others_alone(
    attack: str, norm: str, early: float, late: float
) -> None:
    """Few random images cross this far boundary, and white and black ones do not."""
    model, x, y, _ = far_problem(8)
    images, asked = called(attack, model, x, y, norm, 60)
    wrong = model(images).argmax(1) != y
    assert 0 < int(wrong.sum()) < 8
    assert torch.equal(images[~wrong], x[~wrong])
    assert 8 * 58 < asked < 8 * 60


@BOUNDS
def test_where_no_image_has_a_start_all_stay(attack: str, norm: str, early: float, late: float) -> None:
    class Deaf(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.tensor([1.0, 0.0]) + 0 * x.flatten(1).sum(dim=1, keepdim=True)

    x, y = torch.full((3, 1, 8, 8), 0.4), torch.zeros(3, dtype=torch.int64)
    images, asked = called(attack, Deaf().eval(), x, y, norm, 300)
    assert torch.equal(images, x)
    assert asked == 3 * (50 + 2 + 2)  # all starts, and nothing to go on from


def test_a_white_start_is_enough() -> None:
    class OnlyWhite(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            score = x.flatten(1).mean(1) - 0.9
            return torch.stack([-score, score], dim=1)

    x, y = torch.full((3, 1, 8, 8), 0.4), torch.zeros(3, dtype=torch.int64)
    images, asked = called("hopskipjump", OnlyWhite().eval(), x, y, "linf", 300)
    assert torch.allclose(distance(x, images, "linf"), torch.tensor(0.5).double(), rtol=0.01)
    assert asked == 3 * 300


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_spsa_breaks_what_lies_within_its_radius(norm: str) -> None:
    """Judged, on a linear model: nothing beyond ε, and all that lies within four fifths of it."""
    model, x, y, _ = linear_problem()
    radius = exact(model, x, norm).numpy()
    eps = float(np.median(radius))
    arrays = measure(
        cell_for("spsa", "symbench", norm, eps, queries=2000), model, x, y, np.ones(len(x), dtype=bool)
    ).arrays
    assert arrays["standing"][radius > eps].all()
    assert not arrays["standing"][radius < 0.8 * eps].any()
    assert np.nanmax(arrays["distance"]) <= eps * (1 + 1e-5)


def test_spsa_takes_no_more_queries_than_it_is_given_and_no_gradient() -> None:
    model, x, y, _ = linear_problem(4)
    asked: list[int] = []

    def saw(_: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
        assert not given[0].requires_grad
        asked.append(len(given[0]))

    model.register_forward_hook(saw)
    adapter("spsa", "symbench")(model, x, y, norm="linf", eps=1e-6, queries=200)
    assert sum(asked) == 4 * 3 * 65


@pytest.mark.parametrize(
    ("attack", "library", "norm"),
    [("boundary", "foolbox", "linf"), ("hopskipjump", "foolbox", "l1"), ("spsa", "symbench", "l1")],
)
def test_unknown_norms_are_named(attack: str, library: str, norm: str) -> None:
    model, x, y, _ = linear_problem(1)
    own = {"eps": 0.1} if attack == "spsa" else {}
    with pytest.raises(CellError, match=f"in norm {norm}"):
        adapter(attack, library)(model, x, y, norm=norm, queries=10, **own)
