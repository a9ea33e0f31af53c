"""Weibull fits against SciPy's, known end points, and degenerate samples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import fmin
from scipy.stats import kstest, weibull_min

from bench.studies.clever.fit import SMALLEST_P, fit_best, fit_once, ks_p
from bench.studies.clever.nelder_mead import minimise

END = 3.0


def reversed_weibull(shape: float, batches: int = 200, targets: int = 4, seed: int = 0) -> np.ndarray:
    """Maxima (batches, targets) below the end point 3, from a reversed Weibull distribution of scale 0.5."""
    return END - 0.5 * np.random.default_rng(seed).weibull(shape, (batches, targets))


def tied(seed: int = 0, targets: int = 4) -> np.ndarray:
    """Maxima as ART makes them: resampled from one pool of 1,000."""
    generator = np.random.default_rng(seed)
    pool = 2 + generator.normal(size=(1000, targets)) * 0.1
    return np.stack([pool[generator.integers(1000, size=100)].max(axis=0) for _ in range(50)])


def test_nelder_mead_takes_the_path_of_scipys() -> None:
    """Rosenbrock's function from several starts at once: the very points SciPy returns."""

    def rosenbrock(points: np.ndarray, which: np.ndarray | None = None) -> np.ndarray:
        x, y, z = points.T
        return 100 * (y - x * x) ** 2 + (1 - x) ** 2 + 100 * (z - y * y) ** 2 + (1 - y) ** 2

    starts = np.array([[0.0, 0.0, 0.0], [-1.0, 2.0, 0.5], [3.0, 1.0, 1.0]])
    found = minimise(rosenbrock, starts)
    for start, point in zip(starts, found, strict=True):
        expected = fmin(lambda p: float(rosenbrock(p[None])[0]), start, disp=0)
        np.testing.assert_allclose(point, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shape", [2.0, 4.0])
def test_the_end_point_is_found(shape: float) -> None:
    fit = fit_best(reversed_weibull(shape, batches=2000))
    assert not fit.fallback.any()
    assert (fit.ks_p > 0.05).all()
    np.testing.assert_allclose(fit.lipschitz, END, rtol=0.02)
    np.testing.assert_allclose(fit.shape, shape, rtol=0.25)


def test_one_start_agrees_with_scipy_on_clean_samples() -> None:
    maxima = reversed_weibull(3.0)
    fit = fit_once(maxima)
    for j, column in enumerate(maxima.T):
        shape, loc, scale = weibull_min.fit(-column, 1.0, optimizer=fmin)
        np.testing.assert_allclose([fit.shape[j], fit.loc[j], fit.scale[j]], [shape, loc, scale], rtol=0.02)


def test_one_start_agrees_with_scipy_on_tied_samples() -> None:
    """The fit collapses onto the largest sample, as ART's does."""
    maxima = tied()
    fit = fit_once(maxima)
    for j, column in enumerate(maxima.T):
        _, loc, _ = weibull_min.fit(-column, 1.0, optimizer=fmin)
        assert fit.lipschitz[j] == pytest.approx(-loc, rel=1e-3)
        assert fit.lipschitz[j] == pytest.approx(column.max(), rel=1e-3)


def test_p_values_are_scipys() -> None:
    samples = -reversed_weibull(3.0, batches=60).T
    parameters = np.array([[3.0, -END, 0.5], [1.0, -END, 0.5], [3.0, -2.9, 0.4], [50.0, -9.0, 6.4]])
    expected = [
        kstest(row, "weibull_min", args=tuple(p)).pvalue for row, p in zip(samples, parameters, strict=True)
    ]
    np.testing.assert_allclose(ks_p(samples, parameters), expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("fit", [fit_once, fit_best])
def test_degenerate_samples_fall_back_to_the_largest(fit) -> None:  # type: ignore[no-untyped-def]
    """Constant, zero, equal up to rounding, and two heavily tied values."""
    maxima = np.full((50, 4), 1.5)
    maxima[:, 1] = 0.0
    maxima[::7, 2] *= 1 + 1e-7
    maxima[:25, 3] = 0.1
    found = fit(maxima)
    assert found.fallback[[0, 1, 2]].all()
    np.testing.assert_array_equal(found.largest_sample, maxima.max(axis=0))
    np.testing.assert_array_equal(found.lipschitz[found.fallback], found.largest_sample[found.fallback])
    assert np.isnan(found.ks_p[:3]).all()
    assert found.lipschitz[3] >= 1.5


@pytest.mark.parametrize("fit", [fit_once, fit_best])
def test_one_batch_is_no_sample(fit) -> None:  # type: ignore[no-untyped-def]
    assert fit(np.array([[2.0, 3.0]])).fallback.all()


def test_fallback_follows_the_p_value() -> None:
    """Two far clusters are no Weibull sample; where the test says so, the largest sample is taken."""
    maxima = np.concatenate([np.linspace(0.999, 1.0, 250), np.linspace(5.0, 5.001, 250)])[:, None]
    found = fit_best(maxima)
    assert found.ks_p[0] < SMALLEST_P
    assert found.fallback[0]
    assert found.lipschitz[0] == maxima.max()


@pytest.mark.parametrize("fit", [fit_once, fit_best])
def test_scaling_the_maxima_scales_the_estimate(fit) -> None:  # type: ignore[no-untyped-def]
    maxima = reversed_weibull(3.0)
    np.testing.assert_allclose(fit(maxima * 2**-20).lipschitz * 2**20, fit(maxima).lipschitz, rtol=1e-6)
    np.testing.assert_allclose(fit(maxima * 2**10).lipschitz / 2**10, fit(maxima).lipschitz, rtol=1e-6)
