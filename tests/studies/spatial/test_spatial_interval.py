"""The interval of a mean over several draws an image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.numbers.stats import mean_of_draws, wilson


def outcomes(counts: list[int], draws: int) -> np.ndarray:
    """An image a count: that many right of its draws."""
    return np.arange(draws) < np.array(counts)[:, None]


@given(st.integers(1, 400), st.data())
def test_with_one_draw_it_is_wilsons(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    found, expected = mean_of_draws(outcomes([1] * k + [0] * (n - k), 1)), wilson(k, n)
    assert (found.k, found.n, found.value) == (expected.k, expected.n, expected.value)
    assert (found.lo, found.hi) == pytest.approx((expected.lo, expected.hi), abs=1e-15)


@given(st.integers(1, 60), st.integers(1, 9), st.data())
def test_draws_that_agree_are_one_trial(n: int, draws: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    found, expected = mean_of_draws(outcomes([draws] * k + [0] * (n - k), draws)), wilson(k, n)
    assert (found.lo, found.hi) == pytest.approx((expected.lo, expected.hi), abs=1e-15)


@given(st.lists(st.integers(0, 7), min_size=1, max_size=50))
def test_it_is_never_wider_than_wilsons_and_holds_the_mean(counts: list[int]) -> None:
    found = mean_of_draws(outcomes(counts, 7))
    widest = wilson(sum(counts) / 7, len(counts))
    assert found.value == pytest.approx(sum(counts) / (7 * len(counts)))
    assert 0 <= found.lo <= found.value <= found.hi <= 1
    assert widest.lo - 1e-12 <= found.lo
    assert found.hi <= widest.hi + 1e-12


def test_by_hand() -> None:
    """Means 0, ½, ½, 1: p(1 − p) = ¼ and s² = ⅛, so four images count as eight trials."""
    found = mean_of_draws(outcomes([0, 1, 1, 2], 2))
    expected = wilson(4, 8)
    assert (found.k, found.n, found.value) == (2.0, 4, 0.5)
    assert (found.lo, found.hi) == pytest.approx((expected.lo, expected.hi))


def test_where_all_images_have_the_same_mean_it_is_wilsons() -> None:
    for count in (0, 3, 10):
        found, expected = mean_of_draws(outcomes([count] * 20, 10)), wilson(2 * count, 20)
        assert (found.lo, found.hi) == pytest.approx((expected.lo, expected.hi))


@pytest.mark.parametrize("mean", [0.1, 0.8])
@pytest.mark.parametrize("correlation", [0.2, 0.7])
def test_coverage(mean: float, correlation: float) -> None:
    """Images' own shares are Beta; draws of one image are correlated through them."""
    rng = np.random.default_rng(7)
    n, draws, samples = 100, 10, 4000
    a, b = (share * (1 - correlation) / correlation for share in (mean, 1 - mean))
    covered = naive = 0
    for _ in range(samples):
        seen = rng.random((n, draws)) < rng.beta(a, b, n)[:, None]
        interval, wrong = mean_of_draws(seen), wilson(int(seen.sum()), n * draws)
        covered += interval.lo <= mean <= interval.hi
        naive += wrong.lo <= mean <= wrong.hi
    error = 3 * np.sqrt(0.95 * 0.05 / samples)
    assert covered / samples == pytest.approx(0.948, abs=0.006 + error)
    assert naive / samples < 0.85  # every draw counted as a trial


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_no_outcome_has_no_mean(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="no mean"):
        mean_of_draws(np.zeros(shape, bool))


@settings(max_examples=20)
@given(st.floats(0.5, 0.99), st.floats(0.001, 0.4))
def test_a_higher_level_is_wider(level: float, more: float) -> None:
    seen = outcomes([1, 4, 2, 0, 5], 5)
    narrow, wide = mean_of_draws(seen, level), mean_of_draws(seen, level + (1 - level) * more)
    assert wide.lo < narrow.lo < narrow.hi < wide.hi


def test_levels_outside_0_to_1_are_refused() -> None:
    with pytest.raises(ValueError, match="level is 1"):
        mean_of_draws(outcomes([1], 1), 1.0)
