"""The trade-off's front and its claims, on outcomes that a test sets."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.paper.verdicts import FAILS, HOLDS, UNTOLD
from bench.stats import holm, mcnemar
from bench.tradeoff.claim import ARCHITECTURES, CLAIMS, CORNERS, PERTURBATIONS, RECIPES, ROTATIONS
from bench.tradeoff.front import on_front, staircase
from bench.tradeoff.results import CLEAN, FRONT, SPATIAL, Axis, Replica, Tradeoff, eps_text, model_name
from bench.tradeoff.tested import AGAINST, AS_CLAIMED, NEITHER
from bench.tradeoff.verdicts import Outcome, informative, judge
from tests.tradeoff_factory import DRAWS, EPS, N, everything, replica, tradeoff

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


@pytest.mark.parametrize(
    ("eps", "text"), [(8 / 255, "8/255"), (0.15, "0.15"), (0.2, "0.2"), (1 / 3, "85/255")]
)
def test_eps_is_written_as_people_do(eps: float, text: str) -> None:
    assert eps_text(eps) == text


# chains


def chain(recipes: tuple[str, ...], counts: tuple[int, ...], **fixed: int) -> list[Replica]:
    """A network for each recipe that so many images withstand on all axes; all right when clean."""
    return [
        replica(model_name("baseline_cnn", recipe), spatial=count, pgd=count, front=count, **fixed)
        for recipe, count in zip(recipes, counts, strict=True)
    ]


def outcome(run: Tradeoff, claim: str) -> Outcome:
    (judged,) = [each for each in judge(run) if each.claim.id == claim]
    return judged.outcomes[0]


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


def test_what_stands_beside_the_verdict_has_no_part_in_it() -> None:
    """The same share of clean-right images turned rightly: spatial accuracy falls only as clean accuracy does."""
    replicas = [
        replica(model_name("baseline_cnn", recipe), clean=count, spatial=count)
        for recipe, count in zip(PERTURBATIONS, (180, 150, 120, 90), strict=True)
    ]
    found = outcome(tradeoff(*replicas), "perturbations")
    assert found.verdict == HOLDS
    beside = [test for test in found.tested if test.given_clean]
    assert [test.value for test in beside] == [0.0] * 4
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


def test_replicas_are_tested_on_the_seeds_that_both_models_have() -> None:
    rng = np.random.default_rng(0)
    first, last = PERTURBATIONS[0], PERTURBATIONS[-1]
    names = [model_name("baseline_cnn", recipe) for recipe in (first, last)]
    many = [replica(names[0] + (f"@{seed}" if seed else "")) for seed in range(3)]
    few = [replica(names[1] + (f"@{seed}" if seed else "")) for seed in (0, 2)]
    drawn = [dataclasses.replace(each, turned=rng.random(each.turned.shape) < 0.5) for each in (*many, *few)]
    ends = outcome(tradeoff(*drawn), "perturbations").tested[0]
    assert ends.seeds == (0, 2)
    a, b = (
        np.stack([each.turned[-1].sum(axis=1) for each in chosen])
        for chosen in ((drawn[0], drawn[2]), drawn[3:])
    )
    assert ends.by_seed == pytest.approx(((a - b).mean(axis=1) / DRAWS).tolist())
    assert ends.value == pytest.approx((a - b).mean() / DRAWS)
    apart = tradeoff(replica(names[0]), replica(f"{names[1]}@1"))
    assert outcome(apart, "perturbations").tested[0].part is None


# the curriculum


def plane(cusp: tuple[int, int], **corners: tuple[int, int]) -> Tradeoff:
    """The curriculum and the corners ``a`` to ``d`` with so many images right on the two axes."""
    found = [replica("baseline_cnn.cusp", spatial=cusp[0], front=cusp[1])]
    found += [
        replica(f"baseline_cnn.{recipe}", spatial=corners[key][0], front=corners[key][1])
        for key, recipe in zip("abcd", CORNERS, strict=True)
        if key in corners
    ]
    return tradeoff(*found)


@pytest.mark.parametrize(
    ("run", "verdict", "word"),
    [
        (plane((150, 150), a=(50, 150), b=(150, 50), c=(100, 100), d=(100, 90)), HOLDS, "Ahead of"),
        (plane((150, 150), a=(50, 149), b=(151, 50), c=(60, 60), d=(60, 60)), HOLDS, "Ahead of"),
        # dominated, with a tie on the other axis, and by a hair on it
        (plane((100, 100), a=(150, 100), b=(10, 10), c=(10, 10), d=(10, 10)), FAILS, "Dominated by pgd_at"),
        (
            plane((100, 100), a=(100, 101), b=(150, 101), c=(10, 10), d=(10, 10)),
            FAILS,
            "Dominated by rotate180",
        ),
        # a trade
        (plane((100, 100), a=(50, 150), b=(150, 50), c=(60, 60), d=(60, 60)), UNTOLD, "A trade"),
        # worse on one axis than a corner that is a hair worse on the other
        (plane((100, 100), a=(99, 150), b=(10, 10), c=(10, 10), d=(10, 10)), UNTOLD, "On neither axis"),
        # ties
        (
            plane((100, 100), a=(100, 100), b=(100, 100), c=(100, 100), d=(100, 100)),
            UNTOLD,
            "On neither axis",
        ),
        # a corner is missing
        (
            plane((150, 150), a=(50, 50), b=(50, 50), c=(50, 50)),
            UNTOLD,
            "Not measured: baseline_cnn.rotate120",
        ),
        (plane((50, 50), a=(150, 150)), FAILS, "Dominated by pgd_at"),
    ],
)
def test_the_curriculum_is_ahead_dominated_or_neither(run: Tradeoff, verdict: str, word: str) -> None:
    found = outcome(run, "curriculum")
    assert found.verdict == verdict
    assert word in found.why


def test_a_corner_that_another_dominates_need_not_be_beaten() -> None:
    """Against ``c`` nothing is significant, but ``a`` dominates it and the curriculum is ahead of ``a``."""
    run = plane((150, 150), a=(100, 149), b=(10, 10), c=(100, 148), d=(10, 10))
    by_corner = {test.b: test for test in outcome(run, "curriculum").tested if test.axis == FRONT}
    assert by_corner["rotate180+pgd_at"].verdict == NEITHER
    assert outcome(run, "curriculum").verdict == HOLDS


def test_each_test_has_its_own_direction() -> None:
    run = plane((150, 50), a=(50, 150), b=(150, 50), c=(100, 100), d=(100, 90))
    by = {(test.b, test.axis): test.verdict for test in outcome(run, "curriculum").tested}
    assert by["pgd_at", SPATIAL] == AS_CLAIMED
    assert by["pgd_at", FRONT] == AGAINST
    assert by["rotate180", SPATIAL] == NEITHER


# all of it


def test_all_models_have_all_claims() -> None:
    run = everything()
    judged = judge(run)
    assert [each.claim for each in judged] == list(CLAIMS)
    assert run.architectures == ARCHITECTURES
    assert {group.recipe for group in run.groups} == set(RECIPES)
    for each, outcome in itertools.chain.from_iterable(((j, o) for o in j.outcomes) for j in judged):
        assert all(test.part and test.seeds == (0, 1, 2) for test in outcome.tested)
        assert not outcome.commands
        assert each.claim.id in ("rotations", "perturbations", "curriculum")
        assert outcome.verdict in (HOLDS, FAILS, UNTOLD)


def test_without_any_model_nothing_can_be_told() -> None:
    run = tradeoff(replica("mine.py:small", origin="file"))
    assert {each.verdict for each in judge(run)} == {UNTOLD}
    named = tradeoff(missing={"baseline_cnn.cusp": "bench train baseline_cnn.cusp --dataset digits"})
    found = outcome(named, "curriculum")
    assert (found.verdict, found.commands) == (UNTOLD, ("bench train baseline_cnn.cusp --dataset digits",))
    assert CLEAN.of == "clean"
