"""Differences of accuracies against published intervals, closed forms and the likelihood itself."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from bench.numbers.paired import Difference, independent_difference, paired_difference
from bench.numbers.stats import Spread, over_seeds, wilson

Z = 1.959963984540054


def outcomes(only_a: int, only_b: int, n: int, both: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two models' outcomes with these counts of discordant images."""
    a, b = np.zeros(n, bool), np.zeros(n, bool)
    a[: only_a + both] = True
    b[only_a : only_a + both + only_b] = True
    return a, b


COUNTS = st.integers(1, 400).flatmap(
    lambda n: st.integers(0, n).flatmap(
        lambda r: st.tuples(st.just(r), st.integers(0, n - r), st.just(n)),
    )
)


@pytest.mark.parametrize(
    ("only_a", "only_b", "n", "lo", "hi"),
    [
        (1, 7, 21, -0.5172, -0.0260),  # Fagerland, Lydersen & Laake 2014: airway hyper-responsiveness
        (6, 16, 161, -0.1240, -0.0054),  # and complete response to therapy
        (0, 1, 44, -0.1181, 0.0594),  # Tango 1998: contact lenses
    ],
)
def test_paired_interval_has_its_published_values(
    only_a: int, only_b: int, n: int, lo: float, hi: float
) -> None:
    found = paired_difference(*outcomes(only_a, only_b, n))
    assert (round(found.lo, 4), round(found.hi, 4)) == (lo, hi)
    assert (found.only_a, found.only_b, found.n) == (only_a, only_b, n)
    assert found.value == (only_a - only_b) / n


@pytest.mark.parametrize("n", [1, 10, 60, 1000])
def test_paired_interval_where_no_image_differs_or_all_do(n: int) -> None:
    """±z²/(n + z²) without a difference; from (n − z²)/(n + z²) on where all images are only a's."""
    equal = paired_difference(*outcomes(0, 0, n))
    assert -equal.lo == equal.hi == pytest.approx(Z**2 / (n + Z**2), abs=1e-9)
    assert equal.value == 0
    apart = paired_difference(*outcomes(n, 0, n))
    assert (apart.lo, apart.hi) == (pytest.approx((n - Z**2) / (n + Z**2), abs=1e-9), 1.0)


def score_statistic(only_a: int, only_b: int, n: int, delta: float) -> float:
    """(r − s − nΔ) by its standard error, whose share q maximises the likelihood numerically."""

    def minus_log_likelihood(q: float) -> float:
        parts = ((only_a, q + delta), (only_b, q), (n - only_a - only_b, 1 - 2 * q - delta))
        return -math.fsum(count * math.log(share) for count, share in parts if count)

    low, high = max(0.0, -delta), (1 - delta) / 2
    q = optimize.minimize_scalar(
        minus_log_likelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-12}
    ).x
    return (only_a - only_b - n * delta) / math.sqrt(n * (2 * q + delta * (1 - delta)))


@pytest.mark.parametrize(("only_a", "only_b", "n"), [(3, 9, 60), (1, 1, 30), (40, 10, 360), (20, 5, 26)])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_paired_bounds_are_where_the_score_test_just_rejects(
    only_a: int, only_b: int, n: int, level: float
) -> None:
    found = paired_difference(*outcomes(only_a, only_b, n), level=level)
    z = stats.norm.ppf((1 + level) / 2)
    assert score_statistic(only_a, only_b, n, found.lo) == pytest.approx(z, abs=1e-5)
    assert score_statistic(only_a, only_b, n, found.hi) == pytest.approx(-z, abs=1e-5)


@settings(max_examples=50)
@given(COUNTS)
def test_paired_interval_properties(counts: tuple[int, int, int]) -> None:
    only_a, only_b, n = counts
    a, b = outcomes(only_a, only_b, n)
    found, turned = paired_difference(a, b), paired_difference(b, a)
    assert -1 <= found.lo <= found.value <= found.hi <= 1
    assert found.lo < found.hi
    assert (turned.lo, turned.hi) == (-found.hi, -found.lo)
    wider = paired_difference(a, b, level=0.99)
    assert wider.lo <= found.lo
    assert wider.hi >= found.hi
    statistic = abs(only_a - only_b) / math.sqrt(max(only_a + only_b, 1))  # McNemar's, asymptotic
    if abs(statistic - Z) > 1e-6:
        assert (found.lo > 0 or found.hi < 0) == (statistic > Z)


@settings(max_examples=50)
@given(COUNTS, st.randoms())
def test_images_both_or_neither_have_right_count_alike(counts: tuple[int, int, int], random) -> None:
    only_a, only_b, n = counts
    both = random.randint(0, n - only_a - only_b)
    order = np.array(random.sample(range(n), n))
    a, b = outcomes(only_a, only_b, n, both)
    assert paired_difference(a[order], b[order]) == paired_difference(*outcomes(only_a, only_b, n))


@pytest.mark.parametrize(
    ("k1", "n1", "k2", "n2", "lo", "hi"),
    [  # Newcombe 1998, table II, method 10
        (56, 70, 48, 80, 0.0524, 0.3339),
        (9, 10, 3, 10, 0.1705, 0.8090),
        (6, 7, 2, 7, 0.0582, 0.8062),
        (5, 56, 0, 29, -0.0381, 0.1926),
        (0, 10, 0, 20, -0.1611, 0.2775),
        (0, 10, 0, 10, -0.2775, 0.2775),
        (10, 10, 0, 20, 0.6791, 1.0),
        (10, 10, 0, 10, 0.6075, 1.0),
    ],
)
def test_independent_interval_has_its_published_values(
    k1: int, n1: int, k2: int, n2: int, lo: float, hi: float
) -> None:
    found = independent_difference(k1, n1, k2, n2)
    assert (round(found.lo, 4), round(found.hi, 4)) == (lo, hi)
    assert found == Difference(k1 / n1 - k2 / n2, found.lo, found.hi)
    turned = independent_difference(k2, n2, k1, n1)
    assert (turned.lo, turned.hi) == (pytest.approx(-found.hi), pytest.approx(-found.lo))


def test_against_a_known_share_the_independent_interval_is_wilsons() -> None:
    found, share = independent_difference(7, 60, 0, 10**12), wilson(7, 60)
    assert (found.lo, found.hi) == (pytest.approx(share.lo, abs=1e-9), pytest.approx(share.hi, abs=1e-9))


def test_pairing_narrows_the_interval_of_models_right_on_the_same_images() -> None:
    a, b = outcomes(6, 2, 100, both=70)
    paired = paired_difference(a, b)
    apart = independent_difference(int(a.sum()), 100, int(b.sum()), 100)
    assert paired.hi - paired.lo < 0.6 * (apart.hi - apart.lo)


def test_what_is_no_difference_is_refused() -> None:
    with pytest.raises(ValueError, match="paired"):
        paired_difference(np.ones(3), np.ones(4))
    with pytest.raises(ValueError, match="paired"):
        paired_difference(np.ones((2, 2)), np.ones((2, 2)))
    with pytest.raises(ValueError, match="0 images"):
        paired_difference(np.array([]), np.array([]))
    for level in (0.0, 1.0, -1.0, 95.0):
        with pytest.raises(ValueError, match="level"):
            paired_difference(np.ones(2), np.ones(2), level)
        with pytest.raises(ValueError, match="level"):
            independent_difference(1, 2, 1, 2, level)
    with pytest.raises(ValueError, match="share"):
        independent_difference(3, 2, 1, 2)


def test_spread_over_seeds_is_the_sample_standard_deviation() -> None:
    found = over_seeds([0.5, 0.7, 0.9])
    assert (found.mean, found.sd, found.n) == (pytest.approx(0.7), pytest.approx(0.2), 3)
    assert over_seeds([0.25]) == Spread(0.25, None, 1)
    assert over_seeds(np.array([0.5, 0.5])) == Spread(0.5, 0.0, 2)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20), st.floats(0, 1))
def test_spread_moves_with_its_values(values: list[float], shift: float) -> None:
    here, there = over_seeds(values), over_seeds([value + shift for value in values])
    assert there.mean == pytest.approx(here.mean + shift)
    assert there.sd == pytest.approx(here.sd, abs=1e-9)


@pytest.mark.parametrize("values", [[], [float("nan")], [1.0, float("inf")]])
def test_no_spread_without_numbers(values: list[float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        over_seeds(values)
