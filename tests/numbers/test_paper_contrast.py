"""One comparison: against closed forms, other tests, and simulated coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench.numbers.contrast import level, mean_difference, paired
from bench.numbers.stats import mcnemar, paired_sign_flip
from tests.paper_factory import stands

N = 200


def test_paired_is_mcnemar_for_one_condition_and_sign_flip_for_many():
    rng = np.random.default_rng(0)
    a, b = (rng.random((4, N)) < p for p in (0.6, 0.5))
    one = paired("", a[:1].astype(int), b[:1].astype(int))
    assert one.p == pytest.approx(mcnemar(a[0], b[0]), rel=1e-12)
    many = paired("", a.astype(int), b.astype(int))
    assert many.p == pytest.approx(paired_sign_flip(a.sum(0), b.sum(0)), rel=1e-12)
    assert many.difference.value == pytest.approx(a.mean() - b.mean())
    assert (many.n, many.conditions, many.toward) == (N, 4, True)


def test_reversal_is_the_smallest_adjusted_p_on_the_other_side():
    a, b = stands(150, 100, 90), stands(100, 120, 110)
    found = paired("", a.astype(int), b.astype(int))
    assert found.reversal == pytest.approx(3 * 2 * 0.5**20)  # 20 images, all one way, smallest of three tests
    assert paired("", b.astype(int), a.astype(int)).reversal == pytest.approx(3 * 2 * 0.5**50)
    assert paired("", a[:1].astype(int), b[:1].astype(int)).reversal == 1.0


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=40))
def test_paired_is_antisymmetric(pairs: list[tuple[bool, bool]]):
    a, b = np.array(pairs, dtype=np.int64).T[:, None]
    forth, back = paired("", a, b), paired("", b, a)
    assert forth.p == back.p
    assert forth.difference.value == -back.difference.value
    assert forth.difference.lo == pytest.approx(-back.difference.hi)


def test_interval_of_a_difference():
    none = mean_difference(np.zeros(98))  # variance (0 + 1) / 100, over 100
    assert none.value == 0
    assert none.hi == pytest.approx(1.959964 * math.sqrt(0.01 / 100), rel=1e-6)
    # Agresti and Min for 10 and 4 discordant of 50: (10 − 4) / 52 ± z·sqrt(...)
    scores = np.repeat([1.0, -1.0, 0.0], [10, 4, 36])
    centre = 6 / 52
    error = math.sqrt(((14 + 1) / 52 - centre**2) / 52)
    found = mean_difference(scores)
    assert (found.lo, found.hi) == pytest.approx((centre - 1.959964 * error, centre + 1.959964 * error))


@pytest.mark.parametrize(("up", "down", "n"), [(0.1, 0.05, 60), (0.02, 0.02, 100), (0.3, 0.1, 256)])
def test_interval_of_a_difference_covers(up: float, down: float, n: int):
    rng = np.random.default_rng(1)
    draws = rng.choice([1.0, -1.0, 0.0], p=[up, down, 1 - up - down], size=(2000, n))
    found = [mean_difference(each) for each in draws]
    covered = np.mean([each.lo <= up - down <= each.hi for each in found])
    assert 0.935 <= covered <= 0.985


def test_level_is_the_binomial_test_where_the_accuracy_is_largest():
    standing = stands(30, 20, 10)
    found = level("", standing.astype(int), bound=0.25)
    assert found.p == pytest.approx(float(stats.binomtest(30, N, 0.25).pvalue))
    assert found.difference.value == pytest.approx(0.15)
    assert found.toward


def test_a_bound_is_tested_as_its_interval_says():
    a, b = stands(120), stands(100)  # a difference of 10 points
    inside = paired("", a.astype(int), b.astype(int), bound=0.07)
    assert (inside.difference.lo > 0.07) == (inside.p < 0.05)
    edge = inside.difference.lo
    assert paired("", a.astype(int), b.astype(int), bound=edge).p == pytest.approx(0.05, abs=1e-9)
