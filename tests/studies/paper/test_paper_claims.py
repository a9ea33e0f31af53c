"""The claims: verdicts on outcomes made for them, and the printed numbers they rest on."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bench.engine.protocols import SOUND, own_script
from bench.studies.paper import CLAIMS, Corrupted, JudgedClaim, Reproduction, judge, needed
from bench.studies.paper.agreement import agreement
from bench.studies.paper.evidence import Evidence, by_base
from bench.studies.paper.outcome import joined
from bench.studies.paper.reproduction import MeasuredModel
from bench.studies.paper.sections import SECTIONS, remedy
from tests.factory import make_results
from tests.paper_factory import EPS, FOUR, groups, outcomes, sound, stands, under
from zoo.cifar10c import NAMES
from zoo.entries import ENTRIES
from zoo.grouped import Groups

N = 200
BEST, MIDDLE, WORST = 160, 110, 60


def both(standing: dict[str, np.ndarray], eps: tuple[float, ...] = EPS) -> Reproduction:
    """The same outcomes under FGSM and PGD, sound."""
    results = [outcomes(standing, eps, attack) for attack in ("fgsm", "pgd")]
    models = tuple(
        dataclasses.replace(a, curves=(*a.curves, *b.curves))
        for a, b in zip(results[0].models, results[1].models, strict=True)
    )
    return sound(dataclasses.replace(results[0], models=models))


def outcome_of(reproduction: Reproduction, id: str) -> JudgedClaim:
    return next(each for each in judge(reproduction) if each.claim.id == id)


def verdict(reproduction: Reproduction, id: str, column: str = "sound") -> str:
    return outcome_of(reproduction, id).outcomes[column].verdict


def test_claims_are_well_formed():
    assert len(CLAIMS) >= 12
    assert len({claim.id for claim in CLAIMS}) == len(CLAIMS)
    for claim in CLAIMS:
        assert len(claim.quote) < 130  # a fragment
        assert set(claim.sections) <= set(SECTIONS)
        for test in claim.tests:
            assert {test.a, *([test.b] if test.b else [])} <= set(ENTRIES)


@pytest.mark.parametrize(
    ("id", "expected"),
    [
        ("concatenation", "CIFAR-10: 30 of 30 points as claimed; CIFAR-100: 30 of 30 points as claimed"),
        ("at-fgsm", "CIFAR-10: 3 of 5 points as claimed"),
        ("at-pgd", "CIFAR-10: 5 of 5 points as claimed"),
        (
            "corrupted-best",
            "CIFAR-10-C: 297 of 304 points as claimed",
        ),  # 7 of 19 at ε = 0.04 are the baseline's
        ("corrupted-rs", "CIFAR-10-C: 76 of 76 points as claimed"),
        ("mip", "CIFAR-10: 2 of 2 points as claimed"),
        # a point is a pair at one ε, as claimed if both bounds are: PGD at 0.05 of CIFAR-100 is 6.35 ahead, …
        ("deeper-by", "CIFAR-10: 6 of 6 points as claimed; CIFAR-100: 4 of 6 points as claimed"),
        ("below-15", "CIFAR-10: 8 of 8 points as claimed; CIFAR-100: 8 of 8 points as claimed"),
    ],
)
def test_agreement_of_the_printed_numbers(id: str, expected: str):
    assert agreement(next(claim for claim in CLAIMS if claim.id == id)) == expected


FOUR_LAYERS = ("baseline_cnn_4", "parallel_gcnn_4", "cascaded_gcnn_4", "weighted_gcnn_rs_4")


def four_layers(first: int, *others: int) -> dict[str, np.ndarray]:
    """R&S of 4 layers and the other four of Figure 1, all the others alike if one is given."""
    others = others * (4 if len(others) == 1 else 1)
    standing = {name: stands(count) for name, count in zip(FOUR_LAYERS, others, strict=True)}
    return {"parallel_gcnn_rs_4": stands(first), **standing}


def alone(reproduction: Reproduction, id: str, column: str = "sound") -> str:
    """What the tests on the images at hand alone say."""
    return joined([each for each in outcome_of(reproduction, id).outcomes[column].tested if each.about])


def test_a_claim_holds_fails_or_cannot_be_told():
    holds, fails, close = (both(four_layers(*counts)) for counts in ((160, 60), (60, 160), (160, 159)))
    assert verdict(holds, "rs-best-4") == "holds"
    assert verdict(fails, "rs-best-4") == "does not hold"
    assert verdict(close, "rs-best-4") == "undecided here"
    assert verdict(holds, "rs-best-4", "released") == "undecided here"
    outcome = outcome_of(close, "rs-best-4").outcomes["sound"]
    assert "parallel_gcnn_rs_4 − baseline_cnn_4, FGSM" in outcome.why
    assert outcome.sentence.startswith(
        "Of 8 tests 0 come out as claimed, 0 contradict it and 8 are undecided"
    )


def test_one_reversal_contradicts_a_claim_about_every_eps():
    better = stands(*[BEST] * 14, WORST)
    names = {"parallel_gcnn_rs": better, "weighted_gcnn_rs": stands(MIDDLE)}
    assert verdict(both(names), "concatenation") == "does not hold"
    # a claim about the mean alone is left open by it
    names = {"parallel_gcnn": better, "parallel_gcnn_rs": better, "baseline_cnn": stands(MIDDLE)}
    assert verdict(both(names), "beat-baseline") == "undecided here"


def test_all_tests_must_hold_and_one_may_fail():
    assert verdict(both(four_layers(BEST, MIDDLE, MIDDLE, MIDDLE, BEST)), "rs-best-4") == "undecided here"
    assert verdict(both(four_layers(MIDDLE, WORST, WORST, WORST, BEST)), "rs-best-4") == "does not hold"
    names = four_layers(BEST, WORST)
    missing = outcome_of(both({k: v for k, v in names.items() if k != "cascaded_gcnn_4"}), "rs-best-4")
    assert missing.outcomes["sound"].verdict == "undecided here"
    assert "Not measured: cascaded_gcnn_4 (FGSM)" in missing.outcomes["sound"].why
    assert (
        missing.outcomes["sound"].command == "bench reproduce --figure 1 --dataset cifar10-copy --budget full"
    )


def test_claims_with_a_bound():
    ahead = {"equivariant_gcnn": stands(100), "baseline_cnn.pgd_at": stands(101)}
    assert verdict(both(ahead), "at-pgd") == "holds"  # half a point behind, less than 5
    behind = {"equivariant_gcnn": stands(WORST), "baseline_cnn.pgd_at": stands(BEST)}
    assert verdict(both(behind), "at-pgd") == "does not hold"
    low = {"cascaded_gcnn": stands(2), "weighted_gcnn_rs": stands(3)}
    assert alone(both(low), "below-15") == "holds"
    assert verdict(both({**low, "cascaded_gcnn": stands(MIDDLE)}), "below-15") == "does not hold"
    far = {"equivariant_gcnn": stands(180), "equivariant_gcnn_4": stands(20)}
    assert alone(both(far), "deeper") == "holds"
    assert verdict(both(far), "deeper-by") == "does not hold"  # 80 points are more than 15


def test_claims_about_other_images_cannot_be_told():
    here = both({"equivariant_gcnn": stands(BEST), "baseline_cnn.pgd_at": stands(WORST)})
    digits = dataclasses.replace(here, dataset="digits", relation="other")
    outcome = outcome_of(digits, "at-fgsm").outcomes["sound"]
    assert verdict(here, "at-fgsm") == "holds"
    assert outcome.verdict == "undecided here"
    assert "about CIFAR-10; on digits, its tests would give: holds" in outcome.why
    shipped = "--dataset cifar10 --download"
    assert outcome.command == f"bench reproduce --table 4 {shipped} --budget full"
    general = both({"baseline_cnn_4": stands(BEST), "baseline_cnn": stands(WORST)})
    assert verdict(dataclasses.replace(general, relation="other"), "depth-hurts") == "holds"
    assert [claim.id for claim in CLAIMS if not claim.data] == ["depth-hurts"]


@pytest.mark.parametrize("id", ["rs-best", "below-15", "negligible", "deeper", "deeper-by", "concatenation"])
def test_a_claim_about_two_data_sets_is_not_confirmed_by_one(id: str):
    counts = {"parallel_gcnn_rs": 190, "equivariant_gcnn": 132, "equivariant_gcnn_4": 110}
    counts |= {"parallel_gcnn": 20, "baseline_cnn": 20, "cascaded_gcnn": 1, "weighted_gcnn_rs": 1}
    results = [outcomes({k: stands(v) for k, v in counts.items()}, attack="fgsm")]
    counts["equivariant_gcnn_4"] = 92  # 11 points below under FGSM, 20 under PGD
    results.append(outcomes({k: stands(v) for k, v in counts.items()}))
    models = tuple(
        dataclasses.replace(a, curves=(*a.curves, *b.curves))
        for a, b in zip(results[0].models, results[1].models, strict=True)
    )
    run = sound(dataclasses.replace(results[0], models=models))
    outcome = outcome_of(run, id).outcomes["sound"]
    assert {each.verdict for each in outcome.tested} == {"holds"} or id == "deeper-by"
    assert outcome.verdict == "undecided here"
    assert "It is about CIFAR-10 and CIFAR-100 together." in outcome.why
    assert outcome.alone is not None
    assert (outcome.alone.dataset, outcome.alone.missing) == ("CIFAR-10", "CIFAR-100")
    assert outcome.alone.verdict == ("holds" if id != "deeper-by" else "undecided here")
    assert "--dataset cifar100" in outcome.command
    assert ("--dataset cifar10-copy" in outcome.command) == (id == "deeper-by")


def test_a_claim_about_all_data_sets_is_not_confirmed_by_one():
    names = dict.fromkeys(("parallel_gcnn", "parallel_gcnn_rs", "cascaded_gcnn"), stands(BEST))
    good = both({**names, "baseline_cnn": stands(WORST)})
    assert verdict(good, "improve") == "undecided here"
    assert outcome_of(good, "improve").outcomes["sound"].command == (
        f"{remedy(['figure2'], 'cifar100')}; {remedy(['table1'], 'cifar10c')}"
    )
    bad = both({**names, "baseline_cnn": stands(190)})
    assert verdict(bad, "improve") == "does not hold"


def test_released_takes_each_model_under_its_own_script():
    names = ("parallel_gcnn_rs", "weighted_gcnn_rs")
    results = []
    for name, count in zip(names, (BEST, WORST), strict=True):
        for label in {own_script(each).label for each in names}:
            counts = count if label == own_script(name).label else 0
            results.append(under(both({name: stands(counts)}).results[0], label))
    run = dataclasses.replace(both({"baseline_cnn": stands(1)}), results=tuple(results))
    assert alone(run, "concatenation", "released") == "holds"
    assert alone(run, "concatenation", "sound") == "undecided here"
    assert "not all models here are evaluated by one script" in (
        outcome_of(run, "concatenation").outcomes["released"].why.lower()
    )
    labels = {each.setting.protocol for each in run.column("released").values()}
    assert labels == {own_script(each).label for each in names}


def test_grids_are_joined_where_they_differ():
    rs = outcomes({"parallel_gcnn_rs": stands(BEST, BEST, BEST, BEST)}, FOUR)
    weighted = outcomes({"weighted_gcnn_rs": stands(WORST)})
    run = dataclasses.replace(sound(rs), results=(rs, weighted))
    tested = outcome_of(run, "concatenation").outcomes["sound"].tested
    part = next(each.part for each in tested if each.part)
    assert part.conditions == 4
    assert part.difference.value == pytest.approx((BEST - WORST) / N)


# --- corrupted images and removed pixels


def corrupted_of(
    counts: dict[str, int], *, official: bool, images: int = 12, of: Groups | None = None
) -> Corrupted:
    """Models that stand on the first so many base images, whatever is done to them."""
    of = groups(images=images) if of is None else of
    images = of.images
    standing = {
        name: np.tile(np.arange(images).repeat(of.block) < count, (4, 1)) for name, count in counts.items()
    }
    return Corrupted(results=under(outcomes(standing, EPS[:4]), SOUND.label), groups=of, official=official)


def test_two_of_three_data_sets_do_not_confirm_a_claim_about_all():
    designs = ("parallel_gcnn", "parallel_gcnn_rs", "cascaded_gcnn")
    run = both({**dict.fromkeys(designs, stands(BEST)), "baseline_cnn": stands(WORST)})
    counts = {**dict.fromkeys(designs, 24), "baseline_cnn": 1}
    images = corrupted_of(counts, official=True, of=groups(NAMES, 24))
    outcome = outcome_of(dataclasses.replace(run, corrupted=(images,)), "improve").outcomes["sound"]
    assert {each.verdict for each in outcome.tested} == {"holds"}
    assert outcome.verdict == "undecided here"
    assert "It is about CIFAR-10, CIFAR-100 and CIFAR-10-C together." in outcome.why
    assert outcome.alone is not None
    assert (outcome.alone.verdict, outcome.alone.missing) == ("holds", "CIFAR-100")


def test_a_base_image_is_one_unit():
    run = Reproduction(
        dataset="d",
        beside="cifar10",
        relation="same",
        command="c",
        corrupted=(
            corrupted_of({"baseline_cnn": 24, "parallel_gcnn_rs": 1}, official=True, of=groups(NAMES, 24)),
        ),
    )
    claim = next(each for each in CLAIMS if each.id == "corrupted-rs")
    part = Evidence(run, "sound").part(claim.tests[0])
    assert not isinstance(part, str)
    assert part.p == pytest.approx(2 * 0.5**23)  # not 0.5 to the power of 23 · 95 versions
    assert (part.n, part.conditions) == (24, 19)
    assert part.difference.value == pytest.approx(23 / 24)
    assert verdict(run, "corrupted-rs") == "holds"


def test_corruptions_made_here_are_not_cifar10c():
    run = Reproduction(
        dataset="d",
        beside="cifar10",
        relation="same",
        command="c",
        corrupted=(corrupted_of({"baseline_cnn": 24, "parallel_gcnn_rs": 1}, official=False, images=24),),
    )
    found = outcome_of(run, "corrupted-rs")
    assert found.outcomes["sound"].verdict == "undecided here"
    assert (
        "on 3 of 19 corruptions made here of cifar10-copy, its tests would give: holds"
        in found.outcomes["sound"].why
    )
    assert "--dataset cifar10c --data-root $DATA --weights-from cifar10" in found.outcomes["sound"].command


def test_by_base_leaves_out_a_base_image_that_is_not_whole():
    of = groups(images=3)
    n = len(of) - 1
    results = make_results(["baseline_cnn"], n=n, eps=EPS[:4], attacks=["pgd"], samples=0)
    found = Corrupted(results=results, groups=of, official=False)
    measured = MeasuredModel(results.setting, results.models[0], "")
    stand, most = by_base(found, measured, EPS[:2])
    assert stand.shape == (3, 2)
    assert most == 10
    standing = results.models[0].curves[0].standing[:2].sum(0)
    assert stand[1, 0] == standing[(of.corruption[:n] == 1) & (of.image[:n] == 0)].sum()


def test_nothing_measured_is_told_of_every_claim():
    run = Reproduction(dataset="digits", beside="cifar10", relation="other", command="c")
    for each in judge(run):
        for outcome in each.outcomes.values():
            assert outcome.verdict == "undecided here"
            assert outcome.sentence == "Nothing was measured."
            assert "Not measured: " in outcome.why
        assert "bench reproduce " in each.outcomes["sound"].command


def test_relation_is_checked():
    with pytest.raises(ValueError, match="relation is 'twin'"):
        Reproduction(dataset="d", beside="cifar10", relation="twin", command="c")


def test_a_section_has_the_models_of_its_claims():
    for claim in CLAIMS:
        have = {name for section in claim.sections for name in needed(section).models}
        assert {name for test in claim.tests for name in (test.a, test.b) if name} <= have, claim.id
