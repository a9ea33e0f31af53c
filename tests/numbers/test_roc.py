"""bench.numbers.roc: separable and equal scores, ties, and pairs counted one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.numbers.roc import auc, roc

SCORES = st.lists(st.integers(-3, 3), min_size=1, max_size=12).map(lambda each: np.array(each, dtype=float))


def test_separable_and_equal_scores() -> None:
    low = np.array([0.0, 1.0, 2.0])
    assert auc(low, low + 3) == 1
    assert auc(low + 3, low) == 0
    assert auc(low, low) == 0.5
    assert auc(np.ones(4), np.ones(7)) == 0.5
    assert np.isnan(auc(low, np.zeros(0)))
    assert np.isnan(auc(np.zeros(0), low))


@given(SCORES, SCORES)
def test_the_area_is_the_share_of_pairs_in_order(low: np.ndarray, high: np.ndarray) -> None:
    pairs = (high[:, None] > low) + (high[:, None] == low) / 2
    assert auc(low, high) == pytest.approx(pairs.mean())
    across, up = roc(low, high)
    assert (across[0], up[0], across[-1], up[-1]) == (0, 0, 1, 1)
    assert (np.diff(across) >= 0).all()
    assert (np.diff(up) >= 0).all()
    assert np.trapezoid(up, across) == pytest.approx(auc(low, high))


def test_no_scores_have_no_curve() -> None:
    assert [len(each) for each in roc(np.zeros(0), np.ones(2))] == [0, 0]
