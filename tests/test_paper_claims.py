"""The claims: verdicts on outcomes made for them, and the printed numbers they rest on."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bench.paper import CLAIMS, VERDICTS, Corrupted, Judged, Reproduction, judge, needed
from bench.paper.agreement import agreement
from bench.paper.evidence import Evidence, by_base
from bench.paper.reproduction import Measured
from bench.paper.sections import SECTIONS
from bench.protocols import SOUND, own_script
from bench.stats import holm
from tests.factory import make_results
from tests.paper_factory import EPS, FOUR, full, groups, mip, outcomes, sound, stands, under
from zoo.entries import ENTRIES

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


def outcome_of(reproduction: Reproduction, id: str) -> Judged:
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
        ("below-15", "CIFAR-10: 8 of 8 points as claimed; CIFAR-100: 8 of 8 points as claimed"),
    ],
)
def test_agreement_of_the_printed_numbers(id: str, expected: str):
    assert agreement(next(claim for claim in CLAIMS if claim.id == id)) == expected


def test_a_claim_holds_fails_or_cannot_be_told():
    names = ("parallel_gcnn_rs", "weighted_gcnn_rs")
    holds = both(dict(zip(names, (stands(BEST), stands(WORST)), strict=True)))
    fails = both(dict(zip(names, (stands(WORST), stands(BEST)), strict=True)))
    close = both(dict(zip(names, (stands(BEST), stands(BEST - 1)), strict=True)))
    assert verdict(holds, "concatenation") == "holds"
    assert verdict(fails, "concatenation") == "does not hold"
    assert verdict(close, "concatenation") == "cannot be told here"
    assert verdict(holds, "concatenation", "released") == "cannot be told here"
    outcome = outcome_of(close, "concatenation").outcomes["sound"]
    assert "parallel_gcnn_rs − weighted_gcnn_rs, FGSM" in outcome.why
    assert outcome.sentence.startswith("Of 2 tests 0 come out as claimed, 0 contradict it and 2 cannot tell")


def test_one_reversal_contradicts_a_claim_about_every_eps():
    better = stands(*[BEST] * 14, WORST)
    names = {"parallel_gcnn_rs": better, "weighted_gcnn_rs": stands(MIDDLE)}
    assert verdict(both(names), "concatenation") == "does not hold"
    # a claim about the mean alone is left open by it
    names = {"parallel_gcnn": better, "parallel_gcnn_rs": better, "baseline_cnn": stands(MIDDLE)}
    assert verdict(both(names), "beat-baseline") == "cannot be told here"


def test_all_tests_must_hold_and_one_may_fail():
    names = {"parallel_gcnn": stands(BEST), "parallel_gcnn_rs": stands(BEST), "baseline_cnn": stands(MIDDLE)}
    assert verdict(both(names), "beat-baseline") == "holds"
    assert verdict(both({**names, "parallel_gcnn_rs": stands(WORST)}), "beat-baseline") == "does not hold"
    missing = outcome_of(both({k: v for k, v in names.items() if k != "parallel_gcnn_rs"}), "beat-baseline")
    assert missing.outcomes["sound"].verdict == "cannot be told here"
    assert "Not measured: parallel_gcnn_rs (FGSM)" in missing.outcomes["sound"].why
    assert (
        missing.outcomes["sound"].command == "bench reproduce --figure 2 --dataset cifar10-jpeg --budget full"
    )


def test_claims_with_a_bound():
    ahead = {"equivariant_gcnn": stands(100), "baseline_cnn.pgd_at": stands(101)}
    assert verdict(both(ahead), "at-pgd") == "holds"  # half a point behind, less than 5
    behind = {"equivariant_gcnn": stands(WORST), "baseline_cnn.pgd_at": stands(BEST)}
    assert verdict(both(behind), "at-pgd") == "does not hold"
    low = {"cascaded_gcnn": stands(2), "weighted_gcnn_rs": stands(3)}
    assert verdict(both(low), "below-15") == "holds"
    assert verdict(both({**low, "cascaded_gcnn": stands(MIDDLE)}), "below-15") == "does not hold"
    far = {"equivariant_gcnn": stands(180), "equivariant_gcnn_4": stands(20)}
    assert verdict(both(far), "deeper") == "holds"
    assert verdict(both(far), "deeper-by") == "does not hold"  # 80 points are more than 15


def test_p_values_are_holms_over_all_tests():
    found = judge(full())
    tested = [each for judged in found for each in judged.outcomes["sound"].tested if each.part]
    parts = [each.part for each in tested if each.part]
    expected = holm([*(p.p for p in parts), *(p.reversal for p in parts if p.every)])
    assert [each.p for each in tested] == pytest.approx(expected[: len(parts)].tolist())
    assert [each.reversal for each in tested if each.part and each.part.every] == pytest.approx(
        expected[len(parts) :].tolist()
    )
    assert {o.verdict for judged in found for o in judged.outcomes.values()} <= set(VERDICTS)


def test_claims_about_other_images_cannot_be_told():
    names = {"equivariant_gcnn": stands(BEST), "equivariant_gcnn_4": stands(WORST)}
    here = both(names)
    digits = dataclasses.replace(here, dataset="digits", relation="other")
    outcome = outcome_of(digits, "deeper").outcomes["sound"]
    assert verdict(here, "deeper") == "holds"
    assert outcome.verdict == "cannot be told here"
    assert "on digits its tests alone would say: holds" in outcome.why
    assert outcome.command == ("bench reproduce --table 2 --dataset cifar10 --download --budget full")
    general = both({"parallel_gcnn_rs": stands(BEST), "weighted_gcnn_rs": stands(WORST)})
    assert verdict(dataclasses.replace(general, relation="other"), "concatenation") == "holds"


def test_a_claim_about_all_data_sets_is_not_confirmed_by_one():
    names = dict.fromkeys(("parallel_gcnn", "parallel_gcnn_rs", "cascaded_gcnn"), stands(BEST))
    good = both({**names, "baseline_cnn": stands(WORST)})
    assert verdict(good, "improve") == "cannot be told here"
    assert outcome_of(good, "improve").outcomes["sound"].command == (
        "bench reproduce --figure 2 --dataset cifar100 --download --budget full; "
        "bench reproduce --table 1 --dataset cifar10c --data-root PATH --budget full"
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
    assert verdict(run, "concatenation", "released") == "holds"
    assert verdict(run, "concatenation", "sound") == "cannot be told here"
    assert "not all models here are under one script" in (
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


def corrupted_of(counts: dict[str, int], *, official: bool, images: int = 12) -> Corrupted:
    """Models that stand on the first so many base images, whatever is done to them."""
    of = groups(images=images)
    standing = {
        name: np.tile(np.arange(images).repeat(of.block) < count, (4, 1)) for name, count in counts.items()
    }
    return Corrupted(results=under(outcomes(standing, EPS[:4]), SOUND.label), groups=of, official=official)


def test_two_of_three_data_sets_do_not_confirm_a_claim_about_all():
    designs = ("parallel_gcnn", "parallel_gcnn_rs", "cascaded_gcnn")
    run = both({**dict.fromkeys(designs, stands(BEST)), "baseline_cnn": stands(WORST)})
    counts = {**dict.fromkeys(designs, 24), "baseline_cnn": 1}
    images = corrupted_of(counts, official=True, images=24)
    outcome = outcome_of(dataclasses.replace(run, corrupted=(images,)), "improve").outcomes["sound"]
    assert {each.verdict for each in outcome.tested} == {"holds"}
    assert outcome.verdict == "cannot be told here"
    assert "It is about CIFAR-10, CIFAR-100 and CIFAR-10-C together." in outcome.why


def test_a_base_image_is_one_unit():
    run = Reproduction(
        dataset="d",
        beside="cifar10",
        relation="same",
        command="c",
        corrupted=(corrupted_of({"baseline_cnn": 12, "parallel_gcnn_rs": 1}, official=True),),
    )
    claim = next(each for each in CLAIMS if each.id == "corrupted-rs")
    part = Evidence(run, "sound").part(claim.tests[0])
    assert not isinstance(part, str)
    assert part.p == pytest.approx(2 * 0.5**11)  # not 0.5 to the power of 11 · 15 versions
    assert (part.n, part.conditions) == (12, 3)
    assert part.difference.value == pytest.approx(11 / 12)
    assert verdict(run, "corrupted-rs") == "holds"


def test_corruptions_made_here_are_not_cifar10c():
    run = Reproduction(
        dataset="d",
        beside="cifar10",
        relation="same",
        command="c",
        corrupted=(corrupted_of({"baseline_cnn": 12, "parallel_gcnn_rs": 1}, official=False),),
    )
    found = outcome_of(run, "corrupted-rs")
    assert found.outcomes["sound"].verdict == "cannot be told here"
    assert "on corruptions made here its tests alone would say: holds" in found.outcomes["sound"].why
    assert "--dataset cifar10c --data-root PATH" in found.outcomes["sound"].command


def test_by_base_leaves_out_a_base_image_that_is_not_whole():
    of = groups(images=3)
    n = len(of) - 1
    results = make_results(["baseline_cnn"], n=n, eps=EPS[:4], attacks=["pgd"], samples=0)
    found = Corrupted(results=results, groups=of, official=False)
    measured = Measured(results.setting, results.models[0], "")
    stand, most = by_base(found, measured, EPS[:2])
    assert stand.shape == (3, 2)
    assert most == 10
    standing = results.models[0].curves[0].standing[:2].sum(0)
    assert stand[1, 0] == standing[(of.corruption[:n] == 1) & (of.image[:n] == 0)].sum()


def test_mip_compares_the_images_both_have_right():
    rng = np.random.default_rng(0)
    base = rng.integers(10, 40, (30, 5))
    right = {"baseline_cnn": np.arange(30) < 20, "parallel_gcnn": np.arange(30) >= 2}
    run = Reproduction(
        dataset="d",
        beside="cifar10",
        relation="other",
        command="c",
        mip=mip({"baseline_cnn": base, "parallel_gcnn": base + 5}, right),
    )
    outcome = outcome_of(run, "mip").outcomes["sound"]
    part = outcome.tested[0].part
    assert part is not None
    assert part.n == 18
    assert part.difference.value == pytest.approx(0.05)
    assert part.p == pytest.approx(2 * 0.5**18)
    assert outcome.verdict == "holds"
    released = outcome_of(run, "mip").outcomes["released"]
    assert (released.verdict, released.command, outcome.command) == ("cannot be told here", "", "")


def test_nothing_measured_is_told_of_every_claim():
    run = Reproduction(dataset="digits", beside="cifar10", relation="other", command="c")
    for each in judge(run):
        for outcome in each.outcomes.values():
            assert outcome.verdict == "cannot be told here"
            assert outcome.sentence == "Nothing was measured."
            assert "Not measured: " in outcome.why
        assert each.outcomes["sound"].command.startswith("bench reproduce ")


def test_relation_is_checked():
    with pytest.raises(ValueError, match="relation is 'twin'"):
        Reproduction(dataset="d", beside="cifar10", relation="twin", command="c")


def test_a_section_has_the_models_of_its_claims():
    for claim in CLAIMS:
        have = {name for section in claim.sections for name in needed(section).models}
        assert {name for test in claim.tests for name in (test.a, test.b) if name} <= have, claim.id
