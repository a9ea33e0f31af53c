"""Rank ranges: what they allow, and that they never contradict the tests."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench.studies.robustness.ranking import last_ranks, standings
from tests.studies.robustness.test_ranking import _best, _three, _with_counts


def test_models_that_cannot_be_told_apart_share_ranks() -> None:
    """a ~ b, b ~ c, and a is better than c."""
    lines = standings(_with_counts(_three(), _best(60, 4), _best(56, 4), _best(50, 4)))
    assert [(line.name, line.ranks) for line in lines] == [("a", "1–2"), ("b", "1–3"), ("c", "2–3")]


def test_models_that_all_differ_have_one_rank_each() -> None:
    lines = standings(_with_counts(_three(), _best(10, 4), _best(50, 4), _best(90, 4)))
    assert [(line.name, line.ranks) for line in lines] == [("c", "1"), ("b", "2"), ("a", "3")]


def test_tests_that_disagree_widen_a_range() -> None:
    """0 beats 1 and 2, these beat 3, but 0 and 3 were not told apart: 0 may be as far down as 3."""
    better = [[], [0], [0], [1, 2]]
    assert last_ranks([[], [0], [0], [0, 1, 2]]) == [1, 3, 3, 4]
    assert last_ranks(better) == [3, 3, 3, 4]


@st.composite
def relations(draw: st.DrawFn) -> list[list[int]]:
    """For each model those better than it; each is better only than later ones, else anything goes."""
    n = draw(st.integers(1, 7))
    return [[i for i in range(j) if draw(st.booleans())] for j in range(n)]


@given(relations())
def test_ranges_of_models_that_do_not_differ_always_meet(better: list[list[int]]) -> None:
    first = np.array([1 + len(each) for each in better])
    last = np.array(last_ranks(better))
    assert (first <= last).all()
    assert last.max() <= len(better)
    for i, j in combinations(range(len(better)), 2):
        if i not in better[j]:
            assert max(first[i], first[j]) <= min(last[i], last[j])
