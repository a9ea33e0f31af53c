"""The basis of a claim's numbers: common training seeds, images, and the training of the models."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bench.numbers.wording import HOLDS, UNTOLD
from bench.studies.tradeoff.claim import CORNERS, PERTURBATIONS
from bench.studies.tradeoff.results import SPATIAL, model_name
from tests.tradeoff_factory import DRAWS, outcome, replica, tradeoff


def seeds_of(recipe: str, *seeds: int) -> list[str]:
    """The names of these training runs of the baseline."""
    name = model_name("baseline_cnn", recipe)
    return [f"{name}@{seed}" if seed else name for seed in seeds]


def test_all_numbers_of_a_claim_are_over_the_seeds_that_all_its_models_have() -> None:
    """Over its three seeds the standard model is behind; on the one that the others have too it is ahead."""
    falls = zip(PERTURBATIONS, (150, 120, 90, 60), strict=True)
    shared = [replica(model_name("baseline_cnn", recipe), spatial=count) for recipe, count in falls]
    run = tradeoff(*shared, *(replica(name, spatial=0) for name in seeds_of("standard", 1, 2)))
    found = outcome(run, "perturbations")
    assert found.verdict == HOLDS
    assert {test.seeds for test in found.tested} == {(0,)}
    assert "standard 75.0 %, pgd_at_quarter 60.0 %, pgd_at_half 45.0 %, pgd_at 30.0 %" in found.sentence
    assert "standard − pgd_at: +45.0 points" in found.sentence
    assert "Over training seed 0 alone, which all measured recipes have." in found.why
    assert run.value(run.groups[0], SPATIAL) == pytest.approx(0.25)  # the table stays over all seeds
    assert "alone" not in outcome(tradeoff(*shared), "perturbations").why


def test_the_front_of_the_corners_is_over_these_seeds_too() -> None:
    """On seed 0 ``pgd_at`` is on it and ties with the curriculum; over its two seeds another would dominate it."""
    cusp = replica("baseline_cnn.cusp", spatial=150, pgd=150, front=150)
    tied = replica("baseline_cnn.pgd_at", spatial=150, pgd=150, front=150)
    behind = [replica(f"baseline_cnn.{each}", spatial=100, pgd=100, front=100) for each in CORNERS[1:]]
    other = replica("baseline_cnn.pgd_at@1", spatial=0, pgd=0, front=0)
    found = outcome(tradeoff(cusp, tied, *behind, other), "curriculum")
    assert (found.verdict, "Not significantly better on either axis than pgd_at." in found.why) == (
        UNTOLD,
        True,
    )


def test_without_a_seed_in_common_nothing_is_tested_and_it_is_said() -> None:
    run = tradeoff(*(replica(name) for name in (*seeds_of("standard", 0, 2), *seeds_of("pgd_at", 1))))
    found = outcome(run, "perturbations")
    assert found.verdict == UNTOLD
    assert {test.part for test in found.tested} == {None}
    ends = found.tested[0]
    assert (ends.reason, ends.missing) == ("no training seed in common", ())
    assert "No training seed in common." in found.why
    assert "Not measured: baseline_cnn.pgd_at_quarter, baseline_cnn.pgd_at_half." in found.why


def test_it_is_said_where_no_image_is_left_that_both_have_right() -> None:
    counts = dict(zip(PERTURBATIONS, (100, 100, 100, 0), strict=True))
    run = tradeoff(*(replica(model_name("baseline_cnn", name), clean=k) for name, k in counts.items()))
    found = outcome(run, "perturbations")
    (ends,) = [
        test for test in found.tested if test.given_clean and (test.a, test.b) == ("standard", "pgd_at")
    ]
    assert ends.part is None
    assert ends.reason == "no image that both classify correctly when clean"
    assert "Not measured" not in found.why


def test_training_on_other_images_or_for_other_epochs_is_said_and_changes_no_verdict() -> None:
    counts = zip(PERTURBATIONS, (150, 120, 90, 60), (1437, 1293, 1293, 1437), strict=True)
    unlike = [replica(model_name("baseline_cnn", r), spatial=count, images=n) for r, count, n in counts]
    alike = [dataclasses.replace(each, images=1437) for each in unlike]
    found = outcome(tradeoff(*unlike), "perturbations")
    said = "standard and pgd_at learned from 1,437 images, pgd_at_quarter and pgd_at_half from 1,293."
    assert found.why.endswith(said)
    assert found.verdict == outcome(tradeoff(*alike), "perturbations").verdict == HOLDS
    assert "learned" not in outcome(tradeoff(*alike), "perturbations").why
    longer = [replica("baseline_cnn", epochs=15), replica("baseline_cnn.pgd_at", images=None)]
    why = outcome(tradeoff(*longer), "perturbations").why
    assert "standard learned for 15 epochs, pgd_at for 30." in why
    assert "learned from" not in why  # how many images is known of one alone


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
    assert ends.lead == (a - b).sum()
    assert ends.part is not None
    assert ends.part.difference.value == pytest.approx((a - b).mean() / DRAWS)


@pytest.mark.parametrize(("third", "verdict"), [(30, HOLDS), (60, HOLDS), (70, UNTOLD)])
def test_where_training_seeds_contradict_one_another_nothing_is_told(third: int, verdict: str) -> None:
    """Two seeds fall from 150 to 60 images, which decides the sum; the third falls from 60, stays or rises."""
    falls = [(150, 60), (150, 60), (60, third)]
    recipes = dict(zip(PERTURBATIONS, (0, 1, 1, 1), strict=True))
    found = outcome(
        tradeoff(
            *(
                replica(model_name("baseline_cnn", recipe) + (f"@{seed}" if seed else ""), spatial=counts[at])
                for recipe, at in recipes.items()
                for seed, counts in enumerate(falls)
            )
        ),
        "perturbations",
    )
    ends = found.tested[0]
    assert ends.p < 0.001
    assert ends.seeds_disagree is (verdict == UNTOLD)
    assert found.verdict == verdict
    assert ("Training seeds disagree on the first model and the last." in found.why) is (verdict == UNTOLD)
