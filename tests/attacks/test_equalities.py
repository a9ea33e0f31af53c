"""torchattacks and foolbox, called through their adapters, make the same images of every model of the zoo.

Both take the sign of the same gradient, one of the mean loss and one of the sum: equal bit for bit where
the batch size is a power of two; elsewhere a gradient that is all but zero may round to another sign.
"""

from __future__ import annotations

import functools

import pytest
import torch
from torch import Tensor, nn

import zoo
from bench.attacks import adapter
from zoo import data

EPS = 0.1
PGD = {"steps": 10, "alpha": 2.5 * EPS / 10, "random_start": False}


@functools.cache
def images(n: int) -> tuple[Tensor, Tensor]:
    digits = data.load("digits", "test")
    return digits.images(0, n), digits.targets(0, n)


@functools.cache
def deployed(name: str) -> nn.Module:
    return zoo.deploy(zoo.load(name))


def both(name: str, attack: str, n: int, norm: str = "linf", eps: float = EPS) -> tuple[Tensor, Tensor]:
    x, y = images(n)
    params = {**PGD, "alpha": 2.5 * eps / 10} if attack == "pgd" else {}
    one, other = (
        adapter(attack, library)(deployed(name), x, y, norm=norm, eps=eps, **params)
        for library in ("torchattacks", "foolbox")
    )
    return one, other


# the designs of 4 layers; the others, which are made of the same layers, with the slow tests
each = pytest.mark.parametrize(
    "name", [name if "_4" in name else pytest.param(name, marks=pytest.mark.slow) for name in zoo.names()]
)


@pytest.mark.parametrize("attack", ["fgsm", "pgd"])
@pytest.mark.parametrize("name", zoo.names())
def test_bit_equal_at_a_power_of_two(name: str, attack: str) -> None:
    one, other = both(name, attack, 64)
    assert torch.equal(one, other)
    assert float((one - images(64)[0]).abs().max()) <= EPS + 1e-6


@each
def test_almost_all_images_equal_at_other_sizes(name: str) -> None:
    one, other = both(name, "pgd", 100)
    same = (one == other).flatten(1).all(dim=1)
    assert float(same.float().mean()) >= 0.98, f"{int((~same).sum())} of 100 images differ"


@each
def test_same_predictions_in_l2(name: str) -> None:
    one, other = both(name, "pgd", 100, norm="l2", eps=1.0)
    with torch.no_grad():
        same = deployed(name)(one).argmax(1) == deployed(name)(other).argmax(1)
    assert float(same.float().mean()) >= 0.99, f"{int((~same).sum())} of 100 predictions differ"
