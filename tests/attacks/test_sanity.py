"""Facts about every model without faults, whatever its robustness."""

from __future__ import annotations

import numpy as np
import pytest
from torch import Tensor

import bench
import zoo
from bench.numbers.paired import paired_difference
from bench.studies.robustness.results import ModelResult

ALL = sorted(zoo.ENTRIES)


def digits(n: int) -> tuple[Tensor, Tensor]:
    data = zoo.data.load("digits", "test")
    return data.images(0, n), data.targets(0, n)


def measured(name: str, x: Tensor, y: Tensor, attacks: list[str], eps: list[float]) -> ModelResult:
    return bench.evaluate(zoo.load(name), x, y, attacks=attacks, eps=eps, independent=True).models[0]


def nothing_and_everything(name: str, n: int) -> None:
    """A ball of radius 0 breaks nothing, and one as large as the box leaves nothing standing."""
    model = measured(name, *digits(n), ["fgsm", "pgd", "pgd_margin"], [0.0, 1.0])
    for curve in model.curves:
        assert np.array_equal(curve.standing[0], model.clean.correct)
        if curve.request.spec.iterative:
            assert not curve.standing[1].any()


def noise_is_weaker(name: str, n: int) -> None:
    """Blind search never beats gradients significantly (paired 95 % interval).

    It is tried on the images that PGD leaves standing, and counts as if it broke all others: that favours it.
    """
    (x, y), eps = digits(n), [0.05, 0.1]
    (pgd,) = measured(name, x, y, ["pgd"], eps).curves
    for size, by_pgd in zip(eps, pgd.standing, strict=True):
        by_noise, left = by_pgd.copy(), by_pgd.nonzero()[0]
        if len(left):
            (noise,) = measured(name, x[left], y[left], ["noise"], [size]).curves
            by_noise[left] = noise.standing[0]
        assert paired_difference(by_pgd, by_noise).lo <= 0


@pytest.mark.parametrize(
    "name", ["baseline_cnn_4", pytest.param("equivariant_gcnn_4", marks=pytest.mark.slow)]
)
def test_a_few_models_obey(name: str) -> None:
    nothing_and_everything(name, 20)
    noise_is_weaker(name, 20)


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_every_model_of_the_zoo_obeys(name: str) -> None:
    nothing_and_everything(name, 60)
    noise_is_weaker(name, 60)
