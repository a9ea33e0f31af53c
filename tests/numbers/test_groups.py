"""bench.numbers.groups: means by corruption, and two spreads that are not one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.numbers.groups import by_group, over_seeds
from bench.numbers.stats import wilson
from zoo.grouped import Groups

GROUPS = Groups(("a", "b", "c"), "base", None, 4)


def outcome(**rules: int) -> np.ndarray:
    """Right for severities below what each corruption is given."""
    return np.array(
        [s < rules[GROUPS.names[c]] for c, s in zip(GROUPS.corruption, GROUPS.severity, strict=True)]
    )


def test_means_and_spread_over_corruptions_are_those_of_the_formula() -> None:
    table = by_group(outcome(a=6, b=4, c=1), GROUPS)
    assert table.by_corruption.tolist() == [1.0, 0.6, 0.0]
    assert table.by_severity == pytest.approx([2 / 3, 2 / 3, 2 / 3, 1 / 3, 1 / 3])
    assert table.mean == pytest.approx(1.6 / 3)
    assert table.spread == pytest.approx(np.std([1.0, 0.6, 0.0], ddof=1))
    alike = wilson(4 * table.mean, 4)  # all base images are alike: four draws
    assert (table.images, table.lo, table.hi) == (4, pytest.approx(alike.lo), pytest.approx(alike.hi))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(15, 60))
def test_cells_are_the_plain_means_of_whole_base_images(seed: int, n: int) -> None:
    found = np.random.default_rng(seed).random(n) < 0.5
    table = by_group(found, GROUPS)
    used = n // 15 * 15
    for c in range(3):
        for s in range(1, 6):
            chosen = (GROUPS.corruption[:used] == c) & (GROUPS.severity[:used] == s)
            assert table.cells[c, s - 1] == pytest.approx(found[:used][chosen].mean())
    assert table.lo <= table.mean <= table.hi


def test_the_interval_is_over_base_images() -> None:
    # Two of four base images are wholly right: 60 outcomes that are only 4 draws.
    table = by_group(np.repeat([True, False, True, False], 15), GROUPS)
    assert (table.lo, table.hi) == pytest.approx((wilson(2, 4).lo, wilson(2, 4).hi))


@pytest.mark.parametrize("right", [False, True])
def test_the_interval_never_collapses(right: bool) -> None:
    groups = Groups(tuple("abcdefghijklmn"), "base", None, 14)
    table = by_group(np.full(14 * groups.block, right), groups)
    assert (table.lo, table.hi) == ((wilson(14, 14).lo, 1.0) if right else (0.0, wilson(0, 14).hi))
    assert table.hi - table.lo > 0.2


def test_seeds_and_corruptions_spread_apart() -> None:
    first, second = by_group(outcome(a=6, b=4, c=1), GROUPS), by_group(outcome(a=5, b=3, c=1), GROUPS)
    both = over_seeds([first, second])
    assert both.by_corruption == pytest.approx([0.9, 0.5, 0.0])
    assert both.mean == pytest.approx(1.4 / 3)
    assert both.corruption_spread == pytest.approx(np.std([0.9, 0.5, 0.0], ddof=1))
    assert both.seed_spread == pytest.approx(np.std([1.6 / 3, 1.2 / 3], ddof=1))
    assert both.seed_spreads == pytest.approx([0.2 / 2**0.5, 0.2 / 2**0.5, 0])
    same = over_seeds([first, first])
    assert same.seed_spread == 0
    assert same.corruption_spread == pytest.approx(first.spread)
    assert np.isnan(over_seeds([first]).seed_spread)


def test_what_cannot_be_grouped_is_refused() -> None:
    with pytest.raises(ValueError, match="do not hold a whole base image"):
        by_group(np.ones(14, bool), GROUPS)
    with pytest.raises(ValueError, match="do not hold a whole base image"):
        by_group(np.ones(61, bool), GROUPS)
    with pytest.raises(ValueError, match="same corruptions"):
        over_seeds([])
    tables = by_group(np.ones(15, bool), GROUPS), by_group(np.ones(5, bool), Groups(("d",), "base", None, 1))
    with pytest.raises(ValueError, match="same corruptions"):
        over_seeds(tables)
    assert np.isnan(tables[1].spread)
