"""Rules for tests of claims: models without a script, some of the ε, the family of p, often and most."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest

from bench.engine.protocols import WITH_SCRIPT, has_script, own_script
from bench.numbers.contrast import paired
from bench.numbers.stats import holm, paired_sign_flip
from bench.numbers.wording import VERDICTS
from bench.studies.paper import CLAIMS, ClaimOutcome, Corrupted, Reproduction, judge, rows
from bench.studies.paper.reproduction import COLUMNS
from bench.studies.paper.wording import eps_text
from tests.paper_factory import FOUR, full, groups, mip, stands, under
from tests.studies.paper.test_paper_claims import both, corrupted_of
from zoo.cifar10c import NAMES
from zoo.entries import PAPER_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.studies.paper import JudgedClaim, TestOutcome


def outcome(reproduction: Reproduction, id: str, column: str = "sound") -> ClaimOutcome:
    return next(each for each in judge(reproduction) if each.claim.id == id).outcomes[column]


def released(counts: dict[str, int], eps: tuple[float, ...] = FOUR) -> Reproduction:
    """Each model under its own script, the same outcomes under FGSM and PGD."""
    runs = {name: both({name: stands(*[count] * len(eps))}, eps) for name, count in counts.items()}
    results = tuple(under(run.results[0], own_script(name).label) for name, run in runs.items())
    return dataclasses.replace(next(iter(runs.values())), results=results)


# models without a script


def test_which_models_have_a_script() -> None:
    lacking = {
        dataset: {name for name in PAPER_NAMES.values() if not has_script(name, dataset)}
        for dataset in WITH_SCRIPT
    }
    four = {name for (_, layers), name in PAPER_NAMES.items() if layers == 4}
    without = {*four, "parallel_gcnn_scale", "baseline_cnn.pgd_at"}
    assert lacking == {
        "cifar10": without,
        "cifar100": without | {"equivariant_gcnn"},
        "cifar10c": without | {"equivariant_gcnn"},
    }
    assert has_script("parallel_gcnn.fgsm_mix", "cifar10")
    assert has_script("parallel_gcnn@3", "cifar100")


def test_a_model_without_a_script_tells_no_claim_under_released() -> None:
    run = released({"equivariant_gcnn": 160, "baseline_cnn.pgd_at": 20}, (0.01, 0.02, 0.03, 0.04, 0.05))
    found = outcome(run, "at-fgsm", "released")
    assert found.tested[0].part is not None
    assert found.tested[0].p < 0.001
    assert (found.verdict, found.command) == ("undecided here", "")
    assert "No script was published for baseline_cnn.pgd_at, measured under that of baseline_cnn" in found.why
    assert "+70.0 points" in found.sentence
    worse = released({"equivariant_gcnn": 20, "baseline_cnn.pgd_at": 160}, (0.01, 0.02, 0.03, 0.04, 0.05))
    assert outcome(worse, "at-fgsm", "released").verdict == "undecided here"
    sides = {row.name: row.sides[0] for row in rows(run, "table4")}
    assert {name: side.borrowed for name, side in sides.items() if side} == {
        "baseline_cnn.pgd_at": "baseline_cnn",
        "equivariant_gcnn": "",
    }


def test_on_cifar100_the_equivariant_network_is_under_its_script_of_cifar10() -> None:
    run = dataclasses.replace(released({"equivariant_gcnn": 160}), beside="cifar100")
    (borrowed,) = {side.borrowed for row in rows(run, "table3") for side in row.sides if side}
    assert borrowed == "equivariant_gcnn on CIFAR-10"


# some of the ε


def test_some_eps_cannot_confirm_what_is_said_of_each_but_contradict_it() -> None:
    counts = {"parallel_gcnn_rs": 160, "weighted_gcnn_rs": 60}
    found = outcome(released(counts), "concatenation", "released")
    assert {each.verdict for each in found.tested} == {"undecided here"}
    assert (
        "At ε 0.01, 0.05, 0.1, 0.15 of 0.01 … 0.15, where 2 of 2 tests come out as claimed; a claim"
        in found.why
    )
    worse = {"parallel_gcnn_rs": 60, "weighted_gcnn_rs": 160}
    assert outcome(released(worse), "concatenation", "released").verdict == "does not hold"
    low = both({"cascaded_gcnn": stands(2, 2, 2, 2), "weighted_gcnn_rs": stands(2, 2, 2, 2)}, FOUR)
    assert {each.verdict for each in outcome(low, "below-15").tested} == {"undecided here"}
    assert "At ε 0.15 of 0.12 … 0.15, where 2 of 2 tests" in outcome(low, "below-15").why


def test_a_mean_over_some_eps_says_which() -> None:
    counts = {"parallel_gcnn": 160, "parallel_gcnn_rs": 160, "baseline_cnn": 60}
    found = outcome(both({k: stands(*[v] * 4) for k, v in counts.items()}, FOUR), "beat-baseline")
    assert {each.verdict for each in found.tested} == {"holds"}
    assert "At ε 0.01, 0.05, 0.1, 0.15 of 0.01 … 0.15." in found.why
    whole = outcome(both({k: stands(v) for k, v in counts.items()}), "beat-baseline")
    assert "At ε" not in whole.why


def test_eps_in_words() -> None:
    assert eps_text((0.01, 0.02, 0.03)) == "0.01 … 0.03"
    assert eps_text((0.01, 0.03, 0.05)) == "0.01, 0.03, 0.05"
    assert eps_text((0.12, 0.13, 0.14, 0.15)) == "0.12 … 0.15"
    assert eps_text((0.15,)) == "0.15"


# the family


def all_tests(reproduction: Reproduction, column: str = "sound") -> list[TestOutcome]:
    return outcomes_in(judge(reproduction), column)


def outcomes_in(claims: Sequence[JudgedClaim], column: str = "sound") -> list[TestOutcome]:
    return [each for judged in claims for each in judged.outcomes[column].tested]


@pytest.fixture(scope="module")
def run() -> Reproduction:
    return full()


@pytest.fixture(scope="module")
def judged(run: Reproduction) -> Sequence[JudgedClaim]:
    return judge(run)


def test_p_values_are_holms_over_unique_comparisons_that_can_be_told(judged: Sequence[JudgedClaim]) -> None:
    for column in COLUMNS:
        tested = outcomes_in(judged, column)
        family: dict[object, float] = {}
        for each in tested:
            assert each.told == (
                each.about and not each.unscripted and (column, each.test.of) != ("released", "mip")
            )
            if each.told:
                family[each.test.comparison] = each.part.p if each.part else 1.0
                if each.test.every or each.test.most:
                    family[each.test.a, each.test.sign, each.test.comparison] = (
                        each.part.reversal if each.part else 1.0
                    )
        expected = dict(zip(family, holm(list(family.values())).tolist(), strict=True))
        for each in tested:
            if each.part and each.test.comparison in expected:
                assert each.p == pytest.approx(expected[each.test.comparison])
        # fewer than there are tests: Figure 2's pairs are compared by several claims
        assert len({each.test.comparison for each in tested if each.told}) < sum(each.told for each in tested)
    assert {o.verdict for each in judged for o in each.outcomes.values()} <= set(VERDICTS)


def test_the_same_comparison_has_one_p_and_counts_once() -> None:
    counts = {"parallel_gcnn": 140, "parallel_gcnn_rs": 120, "baseline_cnn": 100}
    run = both({name: stands(count) for name, count in counts.items()})
    by_claim = {
        claim: {
            each.p for each in outcome(run, claim).tested if (each.test.a, each.test.b, each.test.of) == pair
        }
        for claim, pair in (
            ("improve", ("parallel_gcnn", "baseline_cnn", "fgsm")),
            ("beat-baseline", ("parallel_gcnn", "baseline_cnn", "fgsm")),
            ("rs-best", ("parallel_gcnn_rs", "baseline_cnn", "fgsm")),
        )
    }
    assert by_claim["improve"] == by_claim["beat-baseline"]
    once = len({key for each in all_tests(run) if each.told for key in [each.test.comparison]})
    reversals = {
        (t.test.a, t.test.sign, t.test.comparison) for t in all_tests(run) if t.told and t.test.every
    }
    (p,) = by_claim["improve"]
    assert p == pytest.approx((once + len(reversals)) * 2 * 0.5**40)  # the smallest of all


def test_a_section_alone_never_has_a_smaller_p(run: Reproduction, judged: Sequence[JudgedClaim]) -> None:
    (sound, *_) = run.results
    few = {"baseline_cnn", "parallel_gcnn"}
    part = dataclasses.replace(sound, models=tuple(m for m in sound.models if m.info.name in few))
    whole = {(e.test.comparison, e.about): e.p for e in outcomes_in(judged) if e.part}
    alone = [
        each for each in all_tests(dataclasses.replace(run, results=(part,), corrupted=(), mip=None))
        if each.part and each.told
    ]  # fmt: skip
    assert alone
    for each in alone:
        assert each.p >= whole[each.test.comparison, each.about]


# often, most


def test_one_contrary_test_does_not_refute_what_is_often_so() -> None:
    fgsm, pgd = (100, 160), (0, 0)
    names = ("baseline_cnn_4", "baseline_cnn")
    results = [
        both({n: stands(c) for n, c in zip(names, counts, strict=True)}).results[0] for counts in (fgsm, pgd)
    ]
    models = tuple(
        dataclasses.replace(a, curves=(a.curves[0], b.curves[1]))
        for a, b in zip(results[0].models, results[1].models, strict=True)
    )
    run = both({"baseline_cnn": stands(1)})
    run = dataclasses.replace(run, results=(dataclasses.replace(results[0], models=models),))
    found = outcome(run, "depth-hurts")
    assert [each.verdict for each in found.tested] == ["does not hold", "undecided here"]
    assert found.verdict == "undecided here"
    assert "Against it: baseline_cnn_4 − baseline_cnn, FGSM." in found.why
    assert "so 1 of 2 tests alone do not refute it" in found.why
    assert (
        outcome(dataclasses.replace(run, results=tuple(results[:1])), "depth-hurts").verdict
        == "does not hold"
    )
    better = both({n: stands(c) for n, c in zip(names, (160, 100), strict=True)})
    assert outcome(better, "depth-hurts").verdict == "holds"


def ahead_under(count: int, images: int = 40) -> Corrupted:
    """Parallel stands on all images under so many corruptions of CIFAR-10-C and on none else; the others reversed."""
    of = groups(NAMES, images)
    good = np.tile(of.corruption < count, (4, 1))
    others = ("baseline_cnn", "parallel_gcnn_rs", "cascaded_gcnn", "weighted_gcnn_rs")
    made = corrupted_of(dict.fromkeys(("parallel_gcnn", *others), images), official=True, of=of)
    models = tuple(
        dataclasses.replace(
            model,
            curves=tuple(
                dataclasses.replace(curve, standing=good if model.info.name == "parallel_gcnn" else ~good)
                for curve in model.curves
            ),
        )
        for model in made.results.models
    )
    return dataclasses.replace(made, results=dataclasses.replace(made.results, models=models))


@pytest.mark.parametrize(
    ("count", "expected"), [(19, "holds"), (10, "holds"), (9, "does not hold"), (0, "does not hold")]
)
def test_most_counts_types_of_corruption(count: int, expected: str) -> None:
    run = Reproduction(
        dataset="d", beside="cifar10c", relation="same", command="c", corrupted=(ahead_under(count),)
    )
    found = outcome(run, "corrupted-best")
    assert found.verdict == expected
    assert f"ahead under {count} to {count} of 19 corruptions" in found.sentence


def test_p_of_a_majority_is_the_partial_conjunction() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 5, (7, 40)) + shift for shift in (1, 0))
    found = paired("", a, b, most=9, majority=True)
    alone = sorted(paired_sign_flip(x, y) if (x - y).sum() > 0 else 1.0 for x, y in zip(a, b, strict=True))
    assert found.p == pytest.approx(min(1.0, 4 * alone[3]))  # the fourth smallest of seven, times 7 − 4 + 1
    assert (found.reversal, found.ahead) == (1.0, sum((a - b).sum(1) > 0))
    back = paired("", b, a, most=9, majority=True)
    assert (back.p, back.reversal) == (1.0, found.p)


# CIFAR-10-C is all of it


@pytest.mark.parametrize(
    ("names", "official", "called"),
    [
        (("fog",), True, "1 of 19 corruptions of CIFAR-10-C"),
        (NAMES[:18], True, "18 of 19 corruptions of CIFAR-10-C"),
        (NAMES, False, "19 of 19 corruptions made here of cifar10-copy"),
        (NAMES, True, ""),
    ],
)
def test_a_claim_about_cifar10c_takes_all_its_corruptions(
    names: tuple[str, ...], official: bool, called: str
) -> None:
    counts = {"baseline_cnn": 24, "parallel_gcnn_rs": 1}
    images = corrupted_of(counts, official=official, of=groups(names, 24))
    run = Reproduction(dataset="d", beside="cifar10c", relation="same", command="c", corrupted=(images,))
    found = outcome(run, "corrupted-rs")
    assert found.verdict == ("undecided here" if called else "holds")
    assert f"on {called}, its tests would give: holds" in found.why or not called
    assert images.called == (called or "CIFAR-10-C")


def test_every_claim_about_both_cifar_is_about_them_together() -> None:
    several = {claim.id for claim in CLAIMS if len(claim.data) > 1}
    assert several == {claim.id for claim in CLAIMS if claim.everywhere}
    assert {"rs-best", "below-15", "negligible", "deeper", "deeper-by"} <= several


# removed pixels


def test_mip_compares_the_images_both_have_right() -> None:
    rng = np.random.default_rng(0)
    base = rng.integers(10, 40, (30, 5))
    right = {"baseline_cnn": np.arange(30) < 20, "parallel_gcnn": np.arange(30) >= 2}
    run = Reproduction(
        dataset="d",
        beside="cifar10",
        relation="copy",
        command="c",
        mip=mip({"baseline_cnn": base, "parallel_gcnn": base + 5}, right),
    )
    found = outcome(run, "mip")
    part = found.tested[0].part
    assert part is not None
    assert part.n == 18
    assert part.difference.value == pytest.approx(0.05)
    assert part.p == pytest.approx(2 * 0.5**18)
    assert found.verdict == "holds"
    released = outcome(run, "mip", "released")
    assert (released.verdict, released.command, found.command) == ("undecided here", "", "")
