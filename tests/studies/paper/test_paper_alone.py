"""bench.studies.paper.alone: a claim on one data set, and the number of images that would decide it."""

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats

from bench.numbers.contrast import paired
from bench.studies.paper.alone import images_to_tell
from tests.studies.paper.test_paper_claims import BEST, MIDDLE, WORST, both, four_layers, outcome_of, stands


def test_images_to_tell_is_the_textbook_number_of_a_paired_difference() -> None:
    """n = ((z_{0.975} + z_{0.8})·σ/δ)²: 7.85·σ²/δ² for one comparison."""
    rng = np.random.default_rng(0)
    a = (rng.random((1, 100_000)) < 0.6).astype(np.int64)
    b = np.where(rng.random(a.shape) < 0.1, 1 - a, a)
    part = paired("", a, b)
    scores = (a - b)[0]
    wanted = 7.849 * scores.var() / scores.mean() ** 2
    assert images_to_tell(part, 1) == pytest.approx(wanted, rel=1e-3)
    assert images_to_tell(part, 40) == pytest.approx(
        wanted * ((stats.norm.isf(0.05 / 80) + stats.norm.ppf(0.8)) / 2.8016) ** 2, rel=1e-3
    )
    assert images_to_tell(dataclasses.replace(part, bound=part.difference.value), 1) == math.inf


def test_so_many_images_tell_it_four_times_in_five() -> None:
    """Drawn anew at that size, the exact test is significant in about 80 % of draws."""
    rng = np.random.default_rng(1)
    first, other = 0.10, 0.06  # shares of the images that only one of two models has right

    def drawn(n: int) -> tuple[np.ndarray, np.ndarray]:
        u = rng.random((1, n))
        a, b = (u < first) | (u > 0.5), ((u >= first) & (u < first + other)) | (u > 0.5)
        return a.astype(np.int64), b.astype(np.int64)

    n = round(images_to_tell(paired("", *drawn(400_000)), 1))
    found = [paired("", *drawn(n)).p < 0.05 for _ in range(400)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.07)


def test_a_claim_that_is_told_needs_nothing_more() -> None:
    holds, fails = (outcome_of(both(four_layers(*of)), "rs-best-4") for of in ((160, 60), (60, 160)))
    for found, verdict in ((holds, "holds"), (fails, "does not hold")):
        alone = found.outcomes["sound"].alone
        assert alone is not None
        assert (alone.verdict, alone.why, alone.missing) == (verdict, "", "")


def test_a_close_claim_says_how_many_images_would_tell() -> None:
    near = outcome_of(both(four_layers(BEST, BEST - 6)), "rs-best-4").outcomes["sound"].alone
    assert near is not None
    assert near.verdict == "undecided here"
    assert near.why.startswith("About ")
    assert "images would decide it (200 were measured)" in near.why
    same = outcome_of(both(four_layers(BEST, BEST)), "rs-best-4").outcomes["sound"].alone
    assert same is not None
    assert "The whole test set of 10,000 images would probably not decide it" in same.why
    assert "More training seeds" in same.why


def test_what_is_missing_is_said_of_the_whole_claim_only() -> None:
    run = both(
        {"parallel_gcnn": stands(BEST), "parallel_gcnn_rs": stands(BEST), "baseline_cnn": stands(WORST)}
    )
    outcome = outcome_of(run, "beat-baseline").outcomes["sound"]
    assert outcome.verdict == "undecided here"
    assert outcome.alone is not None
    assert (outcome.alone.verdict, outcome.alone.missing) == ("holds", "CIFAR-100")
    assert outcome.alone.dataset == "CIFAR-10"
    copy = dataclasses.replace(run, dataset="lossy", relation="copy")
    of_copy = outcome_of(copy, "beat-baseline").outcomes["sound"].alone
    assert of_copy is not None
    assert of_copy.dataset == "lossy, a copy of CIFAR-10"


def test_a_claim_about_other_data_has_no_verdict_here() -> None:
    run = both(four_layers(BEST, MIDDLE))
    assert outcome_of(run, "rs-best-4-cifar100").outcomes["sound"].alone is None
    assert outcome_of(run, "corrupted-best").outcomes["sound"].alone is None
    other = dataclasses.replace(run, relation="other")
    assert outcome_of(other, "rs-best-4").outcomes["sound"].alone is None


def test_a_missing_model_is_said() -> None:
    few = {name: of for name, of in four_layers(BEST, WORST).items() if name != "cascaded_gcnn_4"}
    alone = outcome_of(both(few), "rs-best-4").outcomes["sound"].alone
    assert alone is not None
    assert alone.why == "Some tests were not measured."
