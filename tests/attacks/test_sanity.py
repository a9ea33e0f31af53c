"""Facts about every model without faults, whatever its robustness."""

from __future__ import annotations

import numpy as np
import pytest

import bench
import zoo
from bench.numbers.paired import paired_difference
from bench.studies.robustness.results import ModelResult

ALL = sorted(zoo.ENTRIES)


def measured(name: str, n: int, attacks: list[str], eps: list[float]) -> ModelResult:
    digits = zoo.data.load("digits", "test")
    results = bench.evaluate(
        zoo.load(name), digits.images(0, n), digits.targets(0, n), attacks=attacks, eps=eps, independent=True
    )
    return results.models[0]


def nothing_and_everything(name: str, n: int) -> None:
    """A ball of radius 0 breaks nothing, and one as large as the box leaves nothing standing."""
    model = measured(name, n, ["fgsm", "pgd", "pgd_margin"], [0.0, 1.0])
    for curve in model.curves:
        assert np.array_equal(curve.standing[0], model.clean.correct)
        if curve.request.spec.iterative:
            assert not curve.standing[1].any()


def noise_is_weaker(name: str, n: int) -> None:
    """Blind search never beats gradients significantly (paired 95 % interval)."""
    model = measured(name, n, ["pgd", "noise"], [0.05, 0.1])
    pgd, noise = (curve.standing for curve in model.curves)
    for by_pgd, by_noise in zip(pgd, noise, strict=True):
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
