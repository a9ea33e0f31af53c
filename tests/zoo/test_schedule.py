"""zoo.schedule: stages and learning rates, epoch by epoch, and that a schedule is data."""

import dataclasses
import itertools
import math
import re
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo import recipes
from zoo.recipes import Recipe, Stage, recipe
from zoo.schedule import last_epoch, one_cycle

# (epochs from 1 up to and with, learning rate over its peak, θ, ε · 255): Kamath et al. 2021, released schedule
RELEASED = [(1, 74, 1, 120, 2), (75, 89, 0.1, 150, 4), (90, 99, 0.01, 180, 8), (100, 120, 0.001, 180, 8)]


def test_cusp_of_120_epochs_is_the_released_one_epoch_by_epoch() -> None:
    cusp = recipe("cusp", epochs=120)
    table = {
        epoch: (rate, theta, eps / 255)
        for first, last, rate, theta, eps in RELEASED
        for epoch in range(first, last + 1)
    }
    assert sorted(table) == list(range(1, 121))
    for epoch, expected in table.items():
        for part in (0.0, 0.5, 1.0):
            now = dataclasses.replace(cusp, warmup=0.0).at(epoch, part)
            assert (now.rate, now.rotation, now.eps) == pytest.approx(expected), epoch
            ours = cusp.at(epoch, part)
            warm = min(1, (epoch - 1 + part) / 6)  # ours alone: the first 6 of 120 epochs
            assert (ours.rate, ours.rotation, ours.eps) == pytest.approx((warm * now.rate, *expected[1:]))
    assert [epoch for epoch in range(2, 121) if cusp.at(epoch).stage > cusp.at(epoch - 1).stage] == [75, 90]
    assert (cusp.alpha, cusp.steps, cusp.random_start, cusp.share) == (2 / 255, 10, True, 1)


@pytest.mark.parametrize(
    ("stages", "drops"),
    [
        ("3", "0"),
        ("13", "02"),
        ("113", "003"),
        ("111111122333", "000000011233"),
        ("1" * 9 + "22" + "3" * 4, "0" * 9 + "11" + "2" + "333"),
        ("1" * 19 + "222" + "3" * 8, "0" * 19 + "111" + "222" + "3" * 5),
    ],
    ids=len,
)
def test_cusp_keeps_its_proportions_in_fewer_epochs(stages: str, drops: str) -> None:
    cusp = dataclasses.replace(recipe("cusp", 16, epochs=len(stages)), warmup=0.0)
    ends = [cusp.at(epoch, 1.0) for epoch in range(1, len(stages) + 1)]
    assert [now.stage for now in ends] == [int(stage) for stage in stages]
    assert [now.rate for now in ends] == pytest.approx([10.0 ** -int(drop) for drop in drops])


@given(st.floats(0, 1), st.integers(1, 400))
def test_a_share_ends_with_the_nearest_epoch(share: float, epochs: int) -> None:
    end = last_epoch(share, epochs)
    assert abs(end - share * epochs) <= 0.5 + 1e-6
    assert 0 <= end <= epochs
    assert last_epoch(1, epochs) == epochs


@given(st.lists(st.integers(1, 99), max_size=5, unique=True), st.integers(1, 60))
def test_stages_follow_one_another_to_the_last_epoch(ends: list[int], epochs: int) -> None:
    stages = [Stage(until=end / 100, rotation=end) for end in sorted(ends)] + [Stage(until=1, rotation=100)]
    ours = Recipe(name="mine", epochs=epochs, stages=tuple(stages))
    seen = [ours.at(epoch) for epoch in range(1, epochs + 1)]
    assert all(one.stage <= other.stage for one, other in itertools.pairwise(seen))
    assert all(now.rotation == stages[now.stage - 1].rotation for now in seen)
    assert seen[-1].stage == len(stages)
    for epoch, now in enumerate(seen[:-1], 1):
        assert epoch <= last_epoch(stages[now.stage - 1].until, epochs)
        assert now.stage == 1 or epoch > last_epoch(stages[now.stage - 2].until, epochs)


def test_one_cycle_rises_for_a_fifth_and_falls_to_zero() -> None:
    ours = recipe("pgd_at", 16, epochs=10)
    assert [ours.at(epoch).rate for epoch in (1, 2, 3)] == pytest.approx([0, 0.5, 1])
    assert ours.at(7).rate == pytest.approx(0.5)
    assert ours.at(10, 1.0).rate == pytest.approx(0)
    assert ours.at(4, 0.25).rate == one_cycle(3.25 / 10) == 0.5 * (1 + math.cos(math.pi * 0.125 / 0.8))
    assert (ours.at(1).stage, ours.at(1).rotation, ours.at(1).eps) == (1, 0, 0.1)


def test_warm_up_is_linear_and_then_over() -> None:
    ours = Recipe(name="mine", epochs=10, warmup=0.2, drops=(0.5,))
    assert [
        ours.at(e, p).rate for e, p in ((1, 0.0), (1, 0.5), (2, 0.5), (3, 0.0), (5, 0.9))
    ] == pytest.approx([0, 0.25, 0.75, 1, 1])
    assert ours.at(6).rate == pytest.approx(0.1)


@pytest.mark.parametrize("place", ["docs/recipes.md", "zoo/recipes.py"])
def test_the_example_of_a_schedule_of_ones_own_runs(place: str) -> None:
    text = (Path(recipes.__file__).parents[1] / place).read_text()
    found = re.search(r"( *)stages = .*\n\1gentle = replace.*\n", text)
    assert found is not None
    lines = [line.removeprefix(found[1]) for line in found[0].splitlines()]
    assert len(lines) <= 4
    names: dict = {"replace": dataclasses.replace, "recipe": recipe, "Stage": Stage}
    exec("\n".join(lines), names)
    ours = names["gentle"]
    assert [ours.at(epoch).rotation for epoch in (1, 8, 9, 15)] == [60, 60, 180, 180]
    assert [ours.at(epoch).rate for epoch in (9, 14, 15)] == pytest.approx([0.1, 0.1, 0.01])


def rows(first: str) -> list[list[str]]:
    """The cells of a table of docs/recipes.md, whose head begins so, without code marks."""
    text = (Path(recipes.__file__).parents[1] / "docs/recipes.md").read_text()
    table = text[text.index(f"| {first} |") :].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in table]


def number(text: str) -> float:
    """A number as the document writes it: ``8/255``, ``±120°`` or ``–`` for none."""
    return float(Fraction(text.strip("±°").replace("–", "0")))


def attack(text: str) -> tuple[float, float, float]:
    """Steps, step size and σ of the noise: ``7 × 0.0357``, ``noise, σ 0.25``, ``none: bounds`` or ``–``."""
    if text.startswith(("noise", "none")):
        return 0, 0, number(text.partition("σ ")[2] or "0")
    steps, _, alpha = text.partition(" × ")
    return number(steps), number(alpha or "0"), 0


@pytest.mark.parametrize(("levels", "column"), [(16, 2), (255, 4)])
def test_the_document_has_every_recipes_numbers(levels: int, column: int) -> None:
    told = {row[0]: row for row in rows("recipe")}
    assert {*recipes.RECIPES} < set(told)
    for name, row in told.items():
        ours = recipe(name, levels)
        points = dict.fromkeys((p.rotation, p.eps) for p in map(ours.at, range(1, ours.epochs + 1)))
        turns, radii = ([number(each) for each in row[place].split(", ")] for place in (1, column))
        if ours.loss == "ibp":  # ε grows in many stages, and the document has the last
            points = {max(points, key=lambda point: point[1])}
        assert [turn for turn, _ in points] == turns
        assert [eps for _, eps in points] == pytest.approx(radii)
        assert attack(row[column + 1]) == pytest.approx((ours.steps, ours.alpha, ours.noise), rel=1e-3)
        assert ours.held_out == float(row[6])


def test_the_document_has_the_schedule_of_cusp() -> None:
    table = rows("epochs")
    ends = [row[0].split("–") for row in table]
    assert [int(first) for first, _ in ends] == [1, *(int(last) + 1 for _, last in ends[:-1])]
    for (first, last), row in zip(ends, table, strict=True):
        for epoch in range(int(first), int(last) + 1):
            for levels, column in ((255, 3), (16, 4)):
                now = recipe("cusp", levels, epochs=120).at(epoch)
                if epoch <= 6:  # the warm-up
                    now = dataclasses.replace(now, rate=1.0)
                told = [number(row[place]) for place in (1, 2, column)]
                assert [now.rate, now.rotation, now.eps] == pytest.approx(told)
