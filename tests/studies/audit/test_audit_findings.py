"""The finding of each check for arrays whose answer is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench.studies.audit import CHECKS, FULL, QUICK, Audit, Finding, probe_findings, skipped, to_json
from bench.studies.audit import findings_attacks as attacks
from bench.studies.audit import findings_probe as answers
from bench.studies.audit.findings import found, lower_bound

FATAL = {"C1", "C2", "C3", "C4", "C5", "C7", "C10", "C11", "C21", "C23", "C24", "C25", "C30"}
STRENGTH = {"C8", "C9", "C12", "C13", "C14", "C15", "C16", "C18", "C19", "C26", "C33"}


def stand(k: int, n: int = 100) -> np.ndarray:
    """The first k of n images stand."""
    return np.arange(n) < k


def test_the_classes_are_as_documented() -> None:
    kinds = {kind: {id for id, each in CHECKS.items() if each.kind == kind} for kind in ("fatal", "strength")}
    assert kinds == {"fatal": FATAL, "strength": STRENGTH}
    assert {each.kind for each in CHECKS.values()} == {"fatal", "strength", "inform"}
    assert list(CHECKS) == [f"C{number}" for number in range(1, 34)]
    assert {each.cost for each in CHECKS.values()} == {"stored", "probe", "run"}
    assert all(FULL in each.modes and set(each.modes) <= {QUICK, FULL} for each in CHECKS.values())
    assert all(
        QUICK in each.modes for each in CHECKS.values() if each.cost == "probe" or each.kind == "fatal"
    )


@given(n=st.integers(1, 400), share=st.floats(0, 1))
def test_the_exact_bound_inverts_the_binomial_tail(n: int, share: float) -> None:
    k = round(share * n)
    bound = lower_bound(k, n)
    assert 0 <= bound <= k / n
    if k:
        assert stats.binom.sf(k - 1, n, bound) == pytest.approx(0.05, rel=1e-6)


@pytest.mark.parametrize(
    ("k", "n", "status"),
    [(0, 100, "pass"), (1, 100, "pass"), (2, 100, "fail"), (2, 360, "pass"), (3, 360, "fail")],
)
def test_c7_forgives_a_stray_image_and_lists_it(k: int, n: int, status: str) -> None:
    finding = attacks.c7(stand(n, n), ~stand(k, n))
    assert finding.status == status
    assert finding.images == tuple(range(k))
    assert finding.value == k / n


def test_c7_counts_no_image_a_white_box_broke() -> None:
    assert attacks.c7(stand(50), stand(50)).images == ()
    assert attacks.c7(stand(0), stand(0)).status == "pass"


def test_c8_wants_many_steps_to_be_no_weaker() -> None:
    assert attacks.c8(fgsm=stand(50), pgd=stand(40)).status == "pass"
    assert attacks.c8(fgsm=stand(50), pgd=stand(51)).status == "pass"  # one image may be chance
    weak = attacks.c8(fgsm=stand(40), pgd=stand(50))
    assert (weak.status, weak.images, weak.value) == ("warn", tuple(range(40, 50)), pytest.approx(0.1))
    swapped = attacks.c8(fgsm=np.arange(100) % 2 == 0, pgd=np.arange(100) % 2 == 1)
    assert swapped.status == "pass"  # 50 images each way: neither is weaker


def test_c9_looks_at_every_step_of_the_grid() -> None:
    falling = np.stack([stand(90), stand(70), stand(20)])
    assert attacks.c9(falling, (0.1, 0.2, 0.3)).status == "pass"
    rising = attacks.c9(np.stack([stand(90), stand(60), stand(80)]), (0.1, 0.2, 0.3))
    assert (rising.status, rising.images) == ("warn", tuple(range(60, 80)))
    assert "0.2 to 0.3" in rising.detail
    assert attacks.c9(stand(90)[None], (0.1,)).status == "pass"


def test_c10_allows_two_standard_errors_above_chance() -> None:
    label = np.arange(100) % 10  # 0.1 + 2·0.03
    assert attacks.c10(stand(16), label).status == "pass"
    flagged = attacks.c10(stand(17), label)
    assert (flagged.status, flagged.threshold) == ("fail", pytest.approx(0.16))


def test_c10_knows_that_one_answer_is_right_on_all_of_the_commonest_class() -> None:
    label = np.arange(100) >= 90  # 90 of one class, 10 of the other: 0.9 + 2·0.03
    assert attacks.c10(stand(96), label.astype(np.int64)).status == "pass"
    assert attacks.c10(stand(97), label.astype(np.int64)).status == "fail"


def test_c11_allows_no_survivor() -> None:
    assert attacks.c11(stand(0)).status == "pass"
    assert attacks.c11(stand(1)).status == "fail"
    assert attacks.c11(stand(1)).images == (0,)


@pytest.mark.parametrize("check", [attacks.c12, attacks.c13, attacks.c16, attacks.c26, attacks.c33])
def test_stronger_attacks_must_gain_for_sure(check) -> None:
    assert check(stand(50), stand(50)).status == "pass"
    assert check(stand(50), stand(49)).status == "pass"
    finding = check(stand(50), stand(35))
    assert (finding.status, finding.value, finding.images) == (
        "warn",
        pytest.approx(0.15),
        tuple(range(35, 50)),
    )


def test_c14_names_the_best_step_size() -> None:
    finding = attacks.c14(stand(50), {"eps/10": stand(49), "eps/4": stand(30), "eps": stand(60)})
    assert finding.status == "warn"
    assert "eps/4" in finding.detail
    assert attacks.c14(stand(50), {"eps": stand(60)}).status == "pass"


def test_c18_and_c19_compare_with_the_white_box() -> None:
    assert attacks.c18(transfer=stand(80), white=stand(40)).status == "pass"
    assert attacks.c18(transfer=stand(20), white=stand(40)).status == "warn"
    assert attacks.c19(noise=stand(90), white=stand(40)).status == "pass"
    assert attacks.c19(noise=~stand(20), white=stand(40)).images == tuple(range(20))


def test_c20_and_c23() -> None:
    assert attacks.c20(~stand(100), []).status == "pass"
    assert attacks.c20(stand(2), ["pgd at 0.1"]).status == "warn"
    assert attacks.c23(stand(50), stand(50)).status == "pass"
    assert attacks.c23(stand(51), stand(50)).status == "fail"


def clever(**changes: np.ndarray) -> dict[str, np.ndarray]:
    plain = {
        "standing": stand(8, 10),
        "score": np.linspace(0.1, 1, 10),
        "distance": np.linspace(0.2, 2, 10),
        "zero_gradient": np.zeros(10, dtype=bool),
        "censored": np.zeros(10, dtype=bool),
        "fallback": np.zeros((10, 9), dtype=bool),
    }
    return {**plain, **changes}


def test_c27_and_c28_read_clever_scores() -> None:
    assert attacks.c27(clever()).status == "pass"
    assert "correlation with what attacks found 1.00" in attacks.c27(clever()).detail
    assert attacks.c27(clever(censored=stand(5, 10))).status == "warn"
    assert attacks.c27(clever(zero_gradient=stand(1, 10))).status == "warn"
    assert attacks.c28(clever()).status == "pass"
    assert attacks.c28(clever(distance=np.full(10, np.nan))).status == "pass"
    above = attacks.c28(
        clever(distance=np.full(10, 0.75))
    )  # scores 0.8 of a right image, 0.9 and 1 of wrong ones
    assert (above.status, above.images, above.value) == ("warn", (7,), 1 / 8)


def test_c1_sees_answers_gradients_counts_and_draws() -> None:
    still, none = np.zeros(4), np.full(4, np.nan)
    right = np.array([3, 3, 3])
    assert answers.c1(right, still, none, False).status == "pass"
    assert answers.c1(right, np.array([0, 2e-4, 0, 0]), none, False).images == (1,)
    assert answers.c1(right, still, np.array([0, 0, 0, np.inf]), False).images == (3,)
    assert answers.c1(np.array([3, 2, 3]), still, none, False).status == "fail"
    assert answers.c1(right, still, none, True).status == "fail"


def test_c2_knows_probabilities_and_their_multiples() -> None:
    logits = np.random.default_rng(0).normal(size=(20, 10))
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    for rows in (probabilities, 100 * probabilities, np.eye(10), probabilities + 0.1):
        assert answers.c2(rows).status == "fail"
    for rows in (logits, np.log(probabilities), logits - logits.min(), 1 / (1 + np.exp(-logits))):
        assert answers.c2(rows).status == "pass"


def test_c3_allows_one_image_in_a_hundred() -> None:
    ones = np.ones((2, 200))
    assert answers.c3(np.where(stand(2, 200), 0.0, ones), ones).status == "pass"
    assert answers.c3(np.where(stand(3, 200), 0.0, ones), ones).status == "fail"
    assert answers.c3(ones, np.stack([np.ones(200), np.zeros(200)])).value == 1.0  # at the random point only
    assert answers.c3(np.full((2, 200), np.nan), ones).status == "pass"  # not zero: C25's


def test_c4_c5_c6() -> None:
    assert answers.c4("").status == "pass"
    assert answers.c4("RuntimeError: no grad").status == "fail"
    assert answers.c5(np.array([0, 0])).status == "pass"
    assert answers.c5(np.array([0, 3])).status == "fail"
    assert [answers.c6(k).status for k in (2, 3, 9, 10)] == ["warn", "warn", "warn", "pass"]
    assert "no DLR" in answers.c6(2).detail


def test_c15_measures_the_last_steps_of_standing_images() -> None:
    steps, n = 51, 20
    line = np.repeat(np.linspace(0, 1, steps)[:, None], n, axis=1)
    all_stand = np.ones((steps, n), dtype=bool)
    rising = answers.c15(line, all_stand)
    assert (rising.status, rising.value) == ("warn", pytest.approx(0.2))  # 10 of 50 equal steps
    assert answers.c15(np.minimum(line, 0.5), all_stand).value == 0.0
    assert answers.c15(-line, all_stand).value == 0.0  # a falling loss has its best at the start
    assert answers.c15(line, np.zeros((steps, n), dtype=bool)).status == "pass"


def test_c17_c21_c22() -> None:
    assert answers.c17(np.full(5, 0.09)).status == "pass"
    assert answers.c17(np.full(5, 0.11)).status == "warn"
    rounding, no, yes = np.full((6, 4), 1e-6), np.zeros((6, 4), dtype=bool), np.ones((6, 4), dtype=bool)
    assert answers.c21(rounding, yes).status == "pass"  # another class within rounding: a tie
    assert answers.c21(np.where(stand(1, 4), 0.1, rounding), no).images == (0,)
    assert answers.c22(np.array([0.0, 1.0]), np.array([1.0, 1e-31])).status == "pass"
    assert answers.c22(np.array([0.0, 1.0]), np.array([1.0, 1.0])).images == (1,)


def test_c24_c25() -> None:
    assert answers.c24([]).status == "pass"
    assert "buffer a, buffer b, buffer c and more" in answers.c24([f"buffer {x}" for x in "abcd"]).detail
    none = np.zeros((5, 4), dtype=bool)
    assert answers.c25(none, none).status == "pass"
    assert answers.c25(none | stand(1, 4), none, stand(0, 9)).images == (0,)
    assert answers.c25(none, none, np.arange(9) == 7).images == (7,)


def test_c29_c30() -> None:
    assert answers.c29(np.full((3, 4), 1e-6)).status == "pass"
    assert answers.c29(np.full((3, 4), 1e-3)).status == "warn"
    still = np.zeros((3, 4))
    assert answers.c30(still, "").status == "pass"
    assert answers.c30(still + np.array([[0], [1e-5], [0]]), "").status == "pass"  # deploying rounds
    assert answers.c30(still + np.array([[1e-5], [0], [0]]), "").status == "fail"
    assert answers.c30(still + np.array([[0], [0], [0.1]]), "").status == "fail"
    assert answers.c30(still, "backward a second time").status == "fail"


def test_c31_wants_a_hundred_images_and_five_points() -> None:
    assert answers.c31(np.stack([stand(50, 99), stand(99, 99)])).status == "skip"
    assert answers.c31(np.stack([stand(90), stand(95)])).status == "pass"
    assert answers.c31(np.stack([stand(90), stand(20), stand(96)])).status == "warn"


def test_c32_wants_a_quarter_of_the_images() -> None:
    kept, broken = np.full((3, 8), 0.9), np.full((3, 8), -1.0)
    assert answers.c32(kept).status == "pass"
    assert answers.c32(np.where(stand(2, 8), broken, kept)).status == "pass"
    assert answers.c32(np.where(stand(3, 8), broken, kept)).status == "warn"
    assert answers.c32(np.stack([broken[0], broken[0], kept[0]])).status == "pass"  # one size suffices
    assert answers.c32(np.full((3, 8), np.nan)).status == "skip"


def test_a_fault_is_no_pass() -> None:
    parts = ("repeats", "logits", "gradients", "calls", "trace", "landscape", "batches", "libraries", "purity",
             "finite", "turned", "reload", "normalised", "promise")  # fmt: skip
    findings = probe_findings({f"fault_{part}": np.array("ValueError: no") for part in parts})
    assert {each.id: each.status for each in findings} == {
        id: "fail" if check.kind == "fatal" else "skip"
        for id, check in CHECKS.items()
        if check.cost == "probe"
    }
    assert all("ValueError: no" in each.detail for each in findings)


def audit(*findings: Finding) -> Audit:
    return Audit(model="m", weights="w", mode="quick", findings=findings)


def test_the_verdict_follows_the_worst_class() -> None:
    fine, skip = found("C1", False, "."), skipped("C7", "Not run.")
    inform, strength, fatal = (found(id, True, ".") for id in ("C17", "C12", "C3"))
    assert audit(fine, skip).verdict == "believable"
    assert audit(fine, inform).verdict == "believable"
    assert audit(fine, inform, strength).verdict == "upper_bound"
    assert audit(strength, fatal, fine).verdict == "not_believable"


def test_json_holds_finite_numbers_or_null() -> None:
    value = to_json(audit(found("C1", True, "Varies.", value=float("inf")), skipped("C29", "No symmetry.")))
    assert json.loads(json.dumps(value, allow_nan=False)) == value
    assert value["verdict"] == "not_believable"
    assert value["checks"][0] == {
        "id": "C1", "status": "fail", "value": None, "threshold": 1e-4,
        "title": "The same image gets the same answer", "detail": "Varies.",
    }  # fmt: skip
    assert value["checks"][1]["status"] == "skip"
