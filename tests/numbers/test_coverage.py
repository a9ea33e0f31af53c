"""The true level of every interval and test of ours: exactly enumerated where that can be done.

A coverage here is the probability, over all images that could have been drawn, that the interval contains the truth.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats

from bench.numbers.groups import by_group
from bench.numbers.paired import independent_difference, paired_difference
from bench.numbers.stats import holm, mcnemar, mean_score, paired_sign_flip, wilson
from bench.studies.theory import median_interval
from tests.clever_factory import make_clever
from zoo.grouped import Groups

LEVEL = 0.05
SHARES = np.linspace(0.01, 0.99, 99)


def outcomes(only_a: int, only_b: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    image = np.arange(n)
    return image < only_a, (image >= only_a) & (image < only_a + only_b)


@cache
def mcnemar_of(only_a: int, only_b: int) -> float:
    return mcnemar(*outcomes(only_a, only_b, only_a + only_b))


@pytest.mark.parametrize(("n", "worst"), [(20, 0.924), (60, 0.934), (360, 0.942)])
def test_wilson(n: int, worst: float) -> None:
    """Exact, for shares from 0.01 to 0.99."""
    k = np.arange(n + 1)
    lo, hi = np.array([(s.lo, s.hi) for s in (wilson(int(each), n) for each in k)]).T
    masses = stats.binom.pmf(k, n, SHARES[:, None])
    coverage = (masses * ((lo <= SHARES[:, None]) & (SHARES[:, None] <= hi))).sum(1)
    assert coverage.mean() >= 0.95
    assert coverage.min() >= worst


def test_mean_score() -> None:
    """Exact, scores 0, ½ and 1 on 40 images."""
    n = 40
    k = np.arange(n + 1)
    half, full = k[:, None], k[None]
    bounds = {total: mean_score(np.full(n, total / (2 * n))) for total in range(2 * n + 1)}
    for p, spread in product((0.1, 0.3, 0.5, 0.7, 0.9), (0.2, 0.5, 0.8)):
        middle = spread * 2 * min(p, 1 - p)
        shares = (1 - p - middle / 2, middle, p - middle / 2)
        masses = _trinomial(n, half, full, shares[1], shares[2])
        inside = np.array([bounds[t].lo <= p <= bounds[t].hi for t in range(2 * n + 1)])
        totals = np.minimum(half + 2 * full, 2 * n)  # beyond it the mass is 0
        assert (masses * inside[totals]).sum() >= 0.93


def _trinomial(n: int, x: np.ndarray, y: np.ndarray, p: float, q: float) -> np.ndarray:
    """P(x of one kind and y of another among n); 0 where x + y > n."""
    rest = np.maximum(n - x, 0)
    return stats.binom.pmf(x, n, p) * stats.binom.pmf(y, rest, q / (1 - p))


@pytest.mark.parametrize(
    ("a", "b", "few", "many"),
    [(1, 1, 0.928, 0.945), (4, 1, 0.912, 0.941), (9, 1, 0.904, 0.938), (0.1, 0.9, 0.849, 0.934)],
)
def test_means_by_corruption(a: float, b: float, few: float, many: float) -> None:
    """What docs/corruptions.md says; 2,000 samples of 14 and of 50 base images, 70 images of each."""
    rng = np.random.default_rng(0)
    for images, told in ((14, few), (50, many)):
        groups = Groups(tuple("abcdefghijklmn"), "base", None, images)
        shares = rng.beta(a, b, (2_000, images))
        tables = (by_group((rng.random((70, images)) < each).T.ravel(), groups) for each in shares)
        coverage = np.mean([table.lo <= a / (a + b) <= table.hi for table in tables])
        assert coverage == pytest.approx(told, abs=3 * (told * (1 - told) / 2_000) ** 0.5)


RARE = (0.005, 0.01, 0.02, 0.05, 0.1)


@pytest.mark.parametrize(
    ("n", "shares", "most"),
    [
        (60, (*RARE, 0.2, 0.3), 60),
        pytest.param(100, (*RARE, 0.2, 0.3), 100, marks=pytest.mark.slow),
        (360, RARE, 64),
    ],
)
def test_paired_difference(n: int, shares: tuple[float, ...], most: int) -> None:
    """Exact up to 1e-4, for every pair of shares of images only one of the two has right."""
    counts = [(r, s) for r in range(most + 1) for s in range(min(most, n - r) + 1)]
    found = [paired_difference(*outcomes(r, s, n)) for r, s in counts]
    lo, hi = np.array([(each.lo, each.hi) for each in found]).T
    r, s = np.array(counts).T
    coverage = []
    for p, q in product(shares, shares):
        masses = _trinomial(n, r, s, p, q)
        assert masses.sum() == pytest.approx(1, abs=1e-4)
        coverage.append((masses * ((lo <= p - q) & (p - q <= hi))).sum())
    assert np.mean(coverage) >= 0.95
    assert min(coverage) >= 0.933


@pytest.mark.parametrize(("n", "m", "worst"), [(60, 60, 0.94), (40, 80, 0.93)])
def test_independent_difference(n: int, m: int, worst: float) -> None:
    """Exact, for shares from 0.05 to 0.95."""
    first, second = np.arange(n + 1), np.arange(m + 1)
    found = [[independent_difference(int(i), n, int(j), m) for j in second] for i in first]
    lo = np.array([[each.lo for each in row] for row in found])
    hi = np.array([[each.hi for each in row] for row in found])
    coverage = []
    for p, q in product(np.linspace(0.05, 0.95, 19), repeat=2):
        masses = stats.binom.pmf(first, n, p)[:, None] * stats.binom.pmf(second, m, q)
        coverage.append((masses * ((lo <= p - q) & (p - q <= hi))).sum())
    assert np.mean(coverage) >= 0.95
    assert min(coverage) >= worst


@pytest.mark.parametrize("n", [21, 51, 101])
def test_bootstrap_medians(n: int) -> None:
    """Exact for an odd number of scores: the bounds are two of the scores, the i-th and the j-th from below, and
    hold the median whenever i to j − 1 of the n scores lie below it, whatever their distribution."""
    (model,) = make_clever(models=("a",), n=n).models
    ranks = np.arange(1.0, n + 1)
    clever = replace(model, arrays={**model.arrays, "score": ranks}).median_interval()
    theory = median_interval(ranks)
    for low, high in (clever[1:], (theory.lo, theory.hi)):
        assert (low, high) == (int(low), int(high))
        coverage = stats.binom.pmf(np.arange(low, high), n, 0.5).sum()
        assert 0.92 <= coverage <= 0.97


def test_mcnemar_rejects_at_most_5_percent() -> None:
    """Exact, for every number of images that differ: under the null each is a fair coin."""
    rejected = np.array(
        [
            stats.binom.pmf([r for r in range(m + 1) if mcnemar_of(r, m - r) < LEVEL], m, 0.5).sum()
            for m in range(1, 51)
        ]
    )
    assert rejected.max() <= LEVEL
    assert rejected[30:].min() > 0.01  # a test that never rejects would pass too


@pytest.mark.parametrize(
    "sizes", [(1,) * 10, (1, 1, 2, 2, 3, 3, 4, 4, 4, 4), (4, 3, 2, 1), (15, 1, 1, 1, 1, 1, 1, 1)]
)
def test_sign_flip_rejects_at_most_its_level(sizes: tuple[int, ...]) -> None:
    """Exact: all choices of signs are equally likely under the null."""
    signs = np.array(list(product((-1, 1), repeat=len(sizes))))
    _, first, which = np.unique(signs @ sizes, return_index=True, return_inverse=True)
    p = np.array([paired_sign_flip(signs[i] * sizes, np.zeros(len(sizes), int)) for i in first])[which]
    for level in (0.01, 0.05, 0.2, 0.5):
        assert np.mean(p <= level) <= level
    assert np.mean(p <= 0.5) > 0  # a test that never rejects would pass too


def _family_error(skills: np.ndarray, rounds: int, rng: np.random.Generator) -> float:
    """How often Holm over McNemar's tests of all pairs tells two equal models apart, on 100 shared images."""
    pairs = list(combinations(range(len(skills)), 2))
    equal = np.array([skills[i] == skills[j] for i, j in pairs])
    false = 0
    for _ in range(rounds):
        right = rng.random((len(skills), 100)) < skills[:, None] * rng.random(100) ** 0.3
        only = (right.astype(int) @ (~right).T.astype(int)).tolist()
        p = holm([mcnemar_of(only[i][j], only[j][i]) for i, j in pairs])
        false += bool((p[equal] < LEVEL).any())
    return false / rounds


def test_holm_keeps_the_error_of_the_family() -> None:
    """2,000 rounds of six equal models, then of five with a better one: standard error 0.5 points at most."""
    rng = np.random.default_rng(0)
    assert _family_error(np.full(6, 0.6), 2_000, rng) <= LEVEL
    assert _family_error(np.array([0.6, 0.6, 0.6, 0.6, 0.6, 0.95]), 2_000, rng) <= LEVEL


def test_holm_of_independent_tests_is_exact() -> None:
    """1 − (1 − 0.05/m)^m with uniform p-values; 10,000 rounds, standard error 0.22 points."""
    p = np.random.default_rng(0).random((10_000, 10))
    rejected = np.mean([holm(each).min() < LEVEL for each in p])
    assert rejected == pytest.approx(1 - (1 - LEVEL / 10) ** 10, abs=3 * 0.0022)
