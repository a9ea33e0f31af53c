"""The trade-off's front and its claims, on outcomes that a test sets."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.numbers.eps import eps_text
from bench.numbers.stats import holm, mcnemar
from bench.numbers.wording import FAILS, HOLDS, UNTOLD
from bench.studies.tradeoff.claim import ARCHITECTURES, CLAIMS, PERTURBATIONS, RECIPES, ROTATIONS
from bench.studies.tradeoff.front import on_front, staircase
from bench.studies.tradeoff.results import CLEAN, FRONT, SPATIAL, Axis, Replica, model_name
from bench.studies.tradeoff.tested import NEITHER
from bench.studies.tradeoff.verdicts import informative, judge
from tests.tradeoff_factory import EPS, N, everything, first, outcome, replica, tradeoff

values = st.integers(0, 4).map(lambda k: k / 4)
points = st.lists(st.tuples(values, values), max_size=12)


# the front


@given(points)
def test_the_front_is_what_no_other_point_dominates(of: list[tuple[float, float]]) -> None:
    def dominated(p: tuple[float, float]) -> bool:
        return any(q[0] >= p[0] and q[1] >= p[1] and q != p for q in of)

    found = on_front(np.array(of, dtype=np.float64).reshape(-1, 2))
    assert found.tolist() == [not dominated(p) for p in of]


@given(points.filter(bool))
def test_the_staircase_falls_from_left_to_right(of: list[tuple[float, float]]) -> None:
    array = np.array(of, dtype=np.float64)
    stairs = staircase(array)
    assert {tuple(p) for p in stairs} == {tuple(p) for p in array[on_front(array)]}
    assert np.all(np.diff(stairs[:, 0]) > 0)
    assert np.all(np.diff(stairs[:, 1]) < 0)


def test_points_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        on_front(np.array([[0.5, float("nan")]]))


# accuracies


def test_seeds_and_draws_are_averaged_over_the_same_images() -> None:
    run = tradeoff(replica("baseline_cnn", spatial=100), replica("baseline_cnn@1", spatial=60))
    (group,) = run.groups
    share, spread = run.share(group, SPATIAL), run.spread(group, SPATIAL)
    assert share is not None
    assert spread is not None
    assert share.value == pytest.approx(80 / N)
    assert share.lo < share.value < share.hi
    assert share.n == N
    assert (spread.mean, spread.n) == (pytest.approx(0.4), 2)
    assert spread.sd == pytest.approx(np.std([100 / N, 60 / N], ddof=1))


def test_given_clean_is_over_the_images_that_every_seed_has_right() -> None:
    run = tradeoff(
        replica("baseline_cnn", clean=80, spatial=40), replica("baseline_cnn@1", clean=50, spatial=20)
    )
    (group,) = run.groups
    share = run.share(group, SPATIAL, given_clean=True)
    assert share is not None
    assert (share.n, share.value) == (50, pytest.approx(0.5 * (40 + 20) / 50))
    none = tradeoff(replica("baseline_cnn", clean=0))
    assert none.share(none.groups[0], SPATIAL, given_clean=True) is None


def test_what_was_not_measured_is_none() -> None:
    run = tradeoff(replica("baseline_cnn", front=None))
    (group,) = run.groups
    assert run.share(group, FRONT) is None
    assert run.share(group, Axis("pgd", 0.3)) is None
    assert run.spread(group, Axis("rotation", 77.0)) is None
    assert run.front() == ()


def test_a_model_of_ones_own_has_its_name_for_an_architecture() -> None:
    run = tradeoff(replica("mine.py:small", origin="file"), replica("baseline_cnn.rotate60@2"))
    own, zoo = run.groups
    assert (own.architecture, own.recipe) == ("mine.py:small", "")
    assert (zoo.architecture, zoo.recipe, zoo.seeds) == ("baseline_cnn", "rotate60", (2,))
    assert run.architectures == ("baseline_cnn",)


def test_an_at_sign_in_the_name_of_ones_own_model_is_no_seed() -> None:
    run = tradeoff(
        *(replica(f"v@{i}:small", origin="file") for i in (1, 2)), replica("m@x", origin="entry point")
    )
    assert [group.name for group in run.groups] == ["v@1:small", "v@2:small", "m@x"]
    assert {group.seeds for group in run.groups} == {(0,)}


def test_a_missing_replica_is_of_its_architecture() -> None:
    run = tradeoff(missing={"equivariant_gcnn@1": "", "baseline_cnn_4.cusp@2": ""})
    assert run.architectures == ("equivariant_gcnn", "baseline_cnn_4")


def test_an_image_that_pgd_alone_breaks_does_not_stand_on_the_front() -> None:
    """AutoAttack was run on 100 images and leaves 60 of them, PGD on 200 and leaves 50 of the first 100."""
    run = tradeoff(replica("baseline_cnn", pgd=(200, 200, 150, 50), front=first(60, 100)))
    (group,) = run.groups
    share = run.share(group, FRONT)
    assert share is not None
    assert (share.k, share.n) == (50, 100)
    other = tradeoff(replica("baseline_cnn", pgd=(200, 200, 150, 150), front=first(60, 100)))
    assert other.value(other.groups[0], FRONT) == 0.6
    assert run.words(FRONT) == "accuracy under AutoAttack and PGD at ε 0.15"


@pytest.mark.parametrize(
    ("eps", "text"), [(8 / 255, "8/255"), (0.15, "0.15"), (0.2, "0.2"), (1 / 3, "85/255")]
)
def test_eps_is_written_as_people_do(eps: float, text: str) -> None:
    assert eps_text(eps) == text


# chains


def chain(recipes: tuple[str, ...], counts: tuple[int, ...]) -> list[Replica]:
    """A network for each recipe that so many images withstand on all axes; all right when clean."""
    return [
        replica(model_name("baseline_cnn", recipe), spatial=count, pgd=count, front=count)
        for recipe, count in zip(recipes, counts, strict=True)
    ]


@pytest.mark.parametrize(("claim", "recipes"), [("rotations", ROTATIONS), ("perturbations", PERTURBATIONS)])
@pytest.mark.parametrize(
    ("counts", "verdict"),
    [
        ((150, 120, 90, 60), HOLDS),
        ((150, 150, 150, 60), HOLDS),
        ((150, 149, 149, 60), HOLDS),
        ((60, 90, 120, 150), FAILS),
        ((150, 60, 120, 60), FAILS),  # a step rises
        ((100, 100, 100, 100), UNTOLD),  # ties
        ((100, 99, 98, 97), UNTOLD),
        ((0, 0, 0, 0), UNTOLD),
    ],
)
def test_a_chain_of_models_holds_fails_or_cannot_be_told(
    claim: str, recipes: tuple[str, ...], counts: tuple[int, ...], verdict: str
) -> None:
    assert outcome(tradeoff(*chain(recipes, counts)), claim).verdict == verdict


@pytest.mark.parametrize(("claim", "recipes"), [("rotations", ROTATIONS), ("perturbations", PERTURBATIONS)])
def test_a_missing_model_keeps_a_chain_from_holding_and_is_named(
    claim: str, recipes: tuple[str, ...]
) -> None:
    run = tradeoff(*chain(recipes, (150, 120, 90, 60)))
    name = model_name("baseline_cnn", recipes[1])
    without = dataclasses.replace(
        run,
        replicas=tuple(each for each in run.replicas if each.info.name != name),
        missing={name: f"bench train {name}"},
    )
    found = outcome(without, claim)
    assert found.verdict == UNTOLD
    assert name in found.why
    assert found.commands == (f"bench train {name}",)
    rising = dataclasses.replace(run, replicas=tuple(chain(recipes, (150, 120, 60, 90)))[2:])
    assert outcome(rising, claim).verdict == FAILS  # what is there contradicts it whatever is missing


def test_p_values_are_mcnemars_adjusted_over_both_architectures() -> None:
    counts = {"baseline_cnn": (150, 140, 130, 120), "equivariant_gcnn": (150, 149, 148, 147)}
    run = tradeoff(
        *(
            replica(model_name(architecture, recipe), spatial=count)
            for architecture, each in counts.items()
            for recipe, count in zip(PERTURBATIONS, each, strict=True)
        )
    )
    (judged,) = [each for each in judge(run) if each.claim.id == "perturbations"]
    pairs = ((0, 3), (0, 1), (1, 2), (2, 3))
    plain = [
        mcnemar(np.arange(N) < each[a], np.arange(N) < each[b]) for each in counts.values() for a, b in pairs
    ]
    tests = [t for each in judged.outcomes for t in each.tested if not t.given_clean]
    assert [t.p for t in tests] == pytest.approx(holm(plain).tolist(), rel=1e-9)
    assert [each.verdict for each in judged.outcomes] == [HOLDS, UNTOLD]
    assert judged.verdict == UNTOLD


@pytest.mark.parametrize(("claim", "recipes"), [("rotations", ROTATIONS), ("perturbations", PERTURBATIONS)])
def test_what_stands_beside_the_verdict_has_no_part_in_it(claim: str, recipes: tuple[str, ...]) -> None:
    """All images that are right when clean withstand everything: accuracy falls only as clean accuracy does."""
    replicas = [
        replica(model_name("baseline_cnn", recipe), clean=count, spatial=count, pgd=count)
        for recipe, count in zip(recipes, (180, 150, 120, 90), strict=True)
    ]
    found = outcome(tradeoff(*replicas), claim)
    assert found.verdict == HOLDS
    beside = [test for test in found.tested if test.given_clean]
    assert [test.lead for test in beside] == [0] * 4
    assert {test.verdict for test in beside} == {NEITHER}


def test_the_eps_of_the_rotations_claim_is_chosen_from_the_standard_model_alone() -> None:
    standard = replica("baseline_cnn", clean=180, pgd=(150, 100, 70, 0))
    others = [replica(f"baseline_cnn.rotate{angle}", pgd=(60, 50, 40, 30)) for angle in (60, 120, 180)]
    run = tradeoff(standard, *others)
    assert informative(run, run.group("baseline_cnn", "standard")) == Axis(
        "pgd", 0.05
    )  # 100 is nearest to 90
    tie = tradeoff(replica("baseline_cnn", clean=180, pgd=(150, 100, 80, 0)))
    assert informative(tie, tie.groups[0]) == Axis("pgd", 0.05)
    assert informative(run, None) == Axis("pgd", EPS[-1])
    assert {test.axis for test in outcome(run, "rotations").tested} == {Axis("pgd", 0.05)}


# all of it


def test_all_models_have_all_claims() -> None:
    """Accuracy under PGD falls and under rotation rises from recipe to recipe, in the order of ``RECIPES``."""
    run = everything()
    judged = judge(run)
    assert [each.claim for each in judged] == list(CLAIMS)
    assert run.architectures == ARCHITECTURES
    assert {group.recipe for group in run.groups} == set(RECIPES)
    for each, verdict in zip(judged, (HOLDS, FAILS, UNTOLD), strict=True):
        assert [found.architecture for found in each.outcomes] == list(ARCHITECTURES)
        assert [found.verdict for found in each.outcomes] == [verdict] * 2
        assert each.verdict == verdict
        for found in each.outcomes:
            assert all(test.part and test.seeds == (0, 1, 2) for test in found.tested)
            assert found.commands == ()
    words = (
        "3 of 3 steps are significant falls",
        "A significant rise: standard to pgd_at;",
        "Better on one axis and worse on the other than ",
    )
    for each, said in zip(judged, words, strict=True):
        assert all(found.why.startswith(said) for found in each.outcomes)


def test_without_any_model_nothing_can_be_told() -> None:
    run = tradeoff(replica("mine.py:small", origin="file"))
    assert {each.verdict for each in judge(run)} == {UNTOLD}
    named = tradeoff(missing={"baseline_cnn.cusp": "bench train baseline_cnn.cusp --dataset digits"})
    found = outcome(named, "curriculum")
    assert (found.verdict, found.commands) == (UNTOLD, ("bench train baseline_cnn.cusp --dataset digits",))
    assert CLEAN.of == "clean"
