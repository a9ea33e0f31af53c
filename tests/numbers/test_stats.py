"""Intervals against closed forms, scipy and enumeration; paired tests against exact integers."""

import sys
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from bench.numbers import contrast
from bench.numbers.stats import holm, mcnemar, mean_score, paired_sign_flip, quantile, wilson


def test_the_quantiles_written_down_are_those_of_scipy() -> None:
    assert quantile(0.95) == scipy_stats.norm.isf((1 - 0.95) / 2)
    assert scipy_stats.norm.isf(0.025) == contrast._Z
    assert quantile(0.9) == scipy_stats.norm.isf((1 - 0.9) / 2)


@pytest.mark.parametrize(
    ("k", "n", "lo", "hi"),
    [
        (50, 100, 0.4038, 0.5962),
        (0, 10, 0.0, 0.2775),  # z²/(n + z²)
        (10, 10, 0.7225, 1.0),
        (1, 1, 0.2065, 1.0),
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, table I
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_has_its_published_values(k: int, n: int, lo: float, hi: float) -> None:
    share = wilson(k, n)
    assert (round(share.lo, 4), round(share.hi, 4)) == (lo, hi)


@given(
    st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999)
)
def test_wilson_equals_scipy(kn: tuple[int, int], level: float) -> None:
    k, n = kn
    share = wilson(k, n, level)
    oracle = scipy_stats.binomtest(k, n).proportion_ci(level, method="wilson")
    assert share.lo == pytest.approx(oracle.low, abs=1e-12)
    assert share.hi == pytest.approx(oracle.high, abs=1e-12)
    assert 0 <= share.lo <= share.value == k / n <= share.hi <= 1


@pytest.mark.parametrize(("n", "worst"), [(100, 0.927), (360, 0.939), (1000, 0.943)])
def test_wilson_covers_95_percent_on_average(n: int, worst: float) -> None:
    """Exact: the chance of every outcome at 901 values of p from 0.05 to 0.95."""
    outcomes = np.arange(n + 1)
    lo, hi = np.array([(s.lo, s.hi) for s in (wilson(int(k), n) for k in outcomes)]).T
    coverage = np.array(
        [
            scipy_stats.binom.pmf(outcomes, n, p)[(lo <= p) & (p <= hi)].sum()
            for p in np.linspace(0.05, 0.95, 901)
        ]
    )
    assert coverage.mean() >= 0.949
    assert coverage.min() >= worst


@pytest.mark.parametrize(("k", "n"), [(0, 0), (-1, 10), (11, 10), (float("nan"), 10)])
def test_wilson_refuses_what_is_not_a_share(k: float, n: int) -> None:
    with pytest.raises(ValueError, match="share"):
        wilson(k, n)


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0])
def test_wilson_refuses_a_level_that_is_none(level: float) -> None:
    with pytest.raises(ValueError, match="level"):
        wilson(1, 2, level)


def test_mean_score_of_right_or_wrong_is_wilson() -> None:
    assert mean_score(np.array([True, False, True, True])) == wilson(3, 4)


@given(st.lists(st.integers(0, 15), min_size=1, max_size=200))
def test_mean_score_is_the_mean(counts: list[int]) -> None:
    share = mean_score(np.array(counts) / 15)
    assert share.value == pytest.approx(np.mean(counts) / 15, abs=1e-12)
    assert share.n == len(counts)


@pytest.mark.parametrize("weights", [(1, 1, 1, 1, 1), (6, 2, 1, 1, 6), (4, 1, 0, 1, 4), (8, 1, 1, 1, 1)])
def test_mean_score_covers_at_least_95_percent(weights: tuple[int, ...]) -> None:
    """20,000 samples of 200 scores on a grid of 4 ε: standard error of a coverage of 95 % is 0.15 points."""
    share = np.array(weights) / sum(weights)
    truth = float(share @ np.arange(5)) / 4
    draws = np.random.default_rng(0).multinomial(200, share, size=20_000) @ np.arange(5)
    bounds = {k: mean_score(np.full(200, k / 800)) for k in np.unique(draws)}
    covered = np.mean([bounds[k].lo <= truth <= bounds[k].hi for k in draws])
    assert covered >= 0.95


@pytest.mark.parametrize("scores", [[], [1.1], [-0.1], [float("nan")], [[0.5]]])
def test_mean_score_refuses_what_is_not_scores(scores: list) -> None:
    with pytest.raises(ValueError, match=r"score|images"):
        mean_score(np.array(scores))


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=10))
def test_sign_flip_equals_all_choices_of_signs(differences: list[int]) -> None:
    d = np.array(differences)
    signs = np.array(list(product((-1, 1), repeat=len(d))))
    share = np.mean(np.abs(signs @ d) >= abs(d.sum()))
    assert paired_sign_flip(d, np.zeros_like(d)) == pytest.approx(share, rel=1e-12)


def _exact(d: np.ndarray) -> Fraction:
    """The p-value in whole numbers: how many choices of signs give each sum."""
    ways = {0: 1}
    for size in np.abs(d).tolist():
        longer: dict[int, int] = {}
        for total, count in ways.items():
            for each in (total - size, total + size):
                longer[each] = longer.get(each, 0) + count
        ways = longer
    return Fraction(sum(c for t, c in ways.items() if abs(t) >= abs(int(d.sum()))), 2 ** len(d))


@pytest.mark.parametrize("seed", range(12))
def test_sign_flip_keeps_its_accuracy_in_the_tail(seed: int) -> None:
    rng = np.random.default_rng(seed)
    d = rng.integers(-15, 16, 50 + 30 * seed)
    d = np.where(rng.random(len(d)) < seed / 12, np.abs(d), d)  # from even to one-sided
    assert paired_sign_flip(d, np.zeros_like(d)) == pytest.approx(float(_exact(d)), rel=1e-11)


def test_sign_flip_at_the_very_end_of_the_tail() -> None:
    d = np.array([3] * 300 + [-1])
    assert _exact(d) < 1e-89
    assert paired_sign_flip(d, 0 * d) == pytest.approx(float(_exact(d)), rel=1e-11)
    ones = np.ones(20, dtype=int)
    assert paired_sign_flip(ones, 0 * ones) == 2.0**-19
    many = np.array([2] * 9_000 + [-1] * 1_000)
    assert paired_sign_flip(many, 0 * many) == sys.float_info.min  # the truth is below every float


def test_sign_flip_of_ten_thousand_images() -> None:
    """The normal limit: d has mean square 85, so Σ d over 10,000 images is z·√850,000."""
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 16, (2, 10_000))
    d = a - b
    normal = 2 * scipy_stats.norm.sf(abs(d.sum()) / np.sqrt((d**2).sum()))
    assert paired_sign_flip(a, b) == pytest.approx(normal, rel=0.01)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=300))
def test_sign_flip_of_one_eps_is_mcnemar(pairs: list[tuple[bool, bool]]) -> None:
    a, b = np.array(pairs).T
    assert paired_sign_flip(a, b) == pytest.approx(mcnemar(a, b), rel=1e-9)
    assert paired_sign_flip(a, b) == paired_sign_flip(b, a)


def test_sign_flip_without_a_difference_is_1() -> None:
    assert paired_sign_flip(np.arange(5), np.arange(5)) == 1.0
    assert paired_sign_flip(np.array([], int), np.array([], int)) == 1.0


@pytest.mark.slow
def test_sign_flip_rejects_at_most_5_percent_of_equals() -> None:
    """4,000 pairs of models of equal robustness on 100 shared images; standard error 0.34 points."""
    rng = np.random.default_rng(0)
    rejected = 0
    for _ in range(4_000):
        hardness = rng.random(100)
        a, b = (rng.random((2, 100, 4)) > hardness[None, :, None]).sum(2)
        rejected += paired_sign_flip(a, b) < 0.05
    assert 0.03 < rejected / 4_000 <= 0.05 + 3 * 0.0034


def test_paired_tests_refuse_what_is_not_paired() -> None:
    with pytest.raises(ValueError, match="paired"):
        paired_sign_flip(np.ones(3), np.ones(4))
    with pytest.raises(ValueError, match="paired"):
        mcnemar(np.ones(3), np.ones(4))
    with pytest.raises(ValueError, match="whole"):
        paired_sign_flip(np.array([0.5]), np.array([1.0]))


def test_mcnemar_has_its_closed_form() -> None:
    a = np.array([1] * 8 + [0] * 1 + [1] * 50, bool)
    b = np.array([0] * 8 + [1] * 1 + [1] * 50, bool)
    assert mcnemar(a, b) == pytest.approx(2 * (1 + 9) / 2**9)
    assert mcnemar(a, a) == 1.0


def test_holm_worked_example() -> None:
    """4·0.005, 3·0.01, then 2·0.03, and 0.04 which may not fall below it."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]).tolist() == [1.0, 1.0]
    assert holm([]).shape == (0,)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.randoms())
def test_holm_properties(p: list[float], random) -> None:
    adjusted = holm(p)
    assert np.all(adjusted <= 1)
    assert np.all(adjusted >= p)
    assert np.all(adjusted <= np.minimum(1, np.array(p) * len(p)))  # never stricter than Bonferroni
    assert np.all(np.diff(adjusted[np.argsort(p)]) >= 0)
    order = random.sample(range(len(p)), len(p))
    assert np.array_equal(holm([p[i] for i in order]), adjusted[order])


def test_holm_refuses_what_is_no_p() -> None:
    with pytest.raises(ValueError, match="p-value"):
        holm([0.5, float("nan")])
