"""Batches filled up to few sizes: how many shapes a network sees, and that the padding reaches no result."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import bench
import zoo
from bench.engine.padding import SIZES, Padded, padded, padding_everywhere, sizes
from bench.engine.store import MemoryStore, Stored
from tests.toys import linear_problem

MODEL, X, Y, RADIUS = linear_problem(100)
EPS = tuple(round(0.001 * i, 4) for i in range(1, 13))
CPU = torch.device("cpu")


class Watched(nn.Module):
    """The toy model; keeps the number of images of each batch it sees."""

    seen: list[int] = []  # noqa: RUF012  (shared by the copies that are measured)

    def __init__(self) -> None:
        super().__init__()
        self.model = MODEL

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(len(x))
        return self.model(x)


class Kept(MemoryStore):
    """A store that keeps the order of what is put into it."""

    def __init__(self) -> None:
        super().__init__()
        self.arrays: list[dict[str, np.ndarray]] = []

    def put(self, stored: Stored) -> None:
        self.arrays.append(stored.result.arrays)
        super().put(stored)


def cells(model: nn.Module, x: Any, y: Any, **options: Any) -> list[dict[str, np.ndarray]]:
    """The arrays of all cells, in the order they were measured."""
    store = Kept()
    bench.evaluate(model, x, y, store=store, **options)
    return store.arrays


def alike(one: list[dict[str, np.ndarray]], other: list[dict[str, np.ndarray]]) -> None:
    """Fails unless all images and verdicts are equal, and all numbers but for rounding."""
    assert len(one) == len(other)
    for before, after in zip(one, other, strict=True):
        assert before.keys() == after.keys()
        for name in before:
            if name in ("margin", "loss", "grad_norm"):
                assert np.allclose(before[name], after[name], rtol=1e-5, atol=1e-5, equal_nan=True)
            else:
                assert np.array_equal(before[name], after[name], equal_nan=before[name].dtype.kind == "f")


@pytest.mark.parametrize("most", [1, 2, 20, 100, 128, 1000, 1024, 4096])
def test_there_are_at_most_eight_sizes(most: int) -> None:
    found = sizes(most)
    assert len(found) <= SIZES
    assert found[-1] == most
    assert sorted(set(found)) == list(found)
    assert all(size & (size - 1) == 0 for size in found[:-1])


@pytest.mark.parametrize("random", [True, False])
def test_a_lane_has_at_most_eight_shapes_and_the_same_results(random: bool) -> None:
    options: dict[str, Any] = {
        "attacks": "pgd",
        "eps": EPS,
        "steps": 2,
        "random_start": random,
        "restarts": 2,
    }
    Watched.seen.clear()
    plain = cells(Watched(), X, Y, **options)
    before = set(Watched.seen)
    Watched.seen.clear()
    with padding_everywhere():
        filled = cells(Watched(), X, Y, **options)
    after = set(Watched.seen) - {50}  # the batch of the first look
    assert len(before) > SIZES
    assert after <= set(sizes(100))
    alike(plain, filled)


@pytest.mark.parametrize(
    "attack", ["fgsm", "foolbox:pgd", "apgd_ce", "deepfool", "square", "spatial_grid", "fab_t"]
)
def test_attacks_of_all_kinds_have_the_same_outcome(attack: str) -> None:
    digits = zoo.data.load("digits", "test")
    model = zoo.load("baseline_cnn_4")
    small = {
        "square": {"queries": 20},
        "spatial_grid": {"rotations": 3, "translations": 2},
        "autoattack": {"steps": 2},
    }
    options: dict[str, Any] = {"attacks": attack, "eps": (0.05, 0.1), **small.get(attack, {})}
    if attack in ("foolbox:pgd", "apgd_ce", "fab_t", "deepfool"):
        options["steps"] = 3
    if attack == "deepfool":
        options["norm"] = "l2"
    x, y = digits.images(0, 13), digits.targets(0, 13)
    plain = cells(model, x, y, **options)
    with padding_everywhere():
        filled = cells(model, x, y, **options)
    for before, after in zip(plain, filled, strict=True):
        assert np.array_equal(before["standing"], after["standing"])
        assert np.array_equal(before["predicted"], after["predicted"])


def test_no_gradient_flows_through_what_fills_up() -> None:
    x = X[:5].clone().requires_grad_()
    model = Padded(MODEL, 8)
    assert torch.allclose(model(x), MODEL(x))
    (gradient,) = torch.autograd.grad(model(x).square().sum(), x)
    (expected,) = torch.autograd.grad(MODEL(x).square().sum(), x)
    assert torch.allclose(gradient, expected)
    assert len(model(X[:0])) == 0
    assert len(model(X[:20])) == 20


def test_models_whose_answers_may_mix_are_left_alone() -> None:
    net = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten())
    with padding_everywhere():
        assert padded(net.train(), 8, CPU) is net
        assert isinstance(padded(net.eval(), 8, CPU), Padded)
    assert padded(net, 8, CPU) is net
    assert isinstance(padded(net, 8, torch.device("cuda")), Padded)
