"""One paired test between two models, with all training runs that both have."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.numbers.contrast import Part, paired
from bench.numbers.stats import holm
from bench.studies.tradeoff.results import Axis, Tradeoff, model_name

LEVEL = 0.05
NO_SEED = "no training seed in common"
NO_IMAGE = "no image that both classify correctly when clean"
AS_CLAIMED, AGAINST, NEITHER = "as claimed", "against it", "cannot tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class TestedPair:
    """The accuracy of one model less that of another on the same images.

    Attributes:
        a, b: recipes.
        axis: the compared accuracy; the claim is that it is larger for ``a``.
        given_clean: only over the images that all replicas of both have right when clean.
        part: the result, each image's scores summed over the seeds; ``None`` where nothing was measured.
        lead: how many more draws of images ``a`` has right over all seeds, a whole number.
        seeds: of the training runs compared.
        by_seed: the difference of each of them.
        missing: models that were not measured.
        reason: why there is no ``part``; empty where there is one.
        p: adjusted by Holm over the claim's tests; of a test that is no part of the verdict as it is.
    """

    a: str
    b: str
    axis: Axis
    given_clean: bool
    part: Part | None
    lead: int = 0
    seeds: tuple[int, ...] = ()
    by_seed: tuple[float, ...] = ()
    missing: tuple[str, ...] = ()
    reason: str = ""
    p: float = 1.0

    @property
    def verdict(self) -> str:
        """The test's verdict on the claimed direction; undecided if training seeds contradict each other."""
        if self.part is None or self.p >= LEVEL or self.seeds_disagree:
            return NEITHER
        return AS_CLAIMED if self.part.toward else AGAINST

    @property
    def seeds_disagree(self) -> bool:
        """Whether the difference is above zero for one training seed and below for another."""
        return bool(self.by_seed) and min(self.by_seed) < 0 < max(self.by_seed)


def compare(
    tradeoff: Tradeoff,
    architecture: str,
    a: str,
    b: str,
    axis: Axis,
    seeds: Collection[int],
    *,
    given_clean: bool = False,
) -> TestedPair:
    """Tests whether recipe ``a`` has a higher accuracy than ``b``, by the exact paired sign flip.

    An image's score is its sum over draws and training runs. So the test is over images, for these networks: how far
    other training runs would differ is not in it.

    Args:
        tradeoff, architecture, a, b, axis: what is compared.
        seeds: of the training runs; what was measured has them all.
        given_clean: over the images alone that all these runs have right when clean.
    """
    groups = [tradeoff.group(architecture, recipe, seeds or None) for recipe in (a, b)]
    outcomes = [group and tradeoff.stacked(group.replicas, axis) for group in groups]
    none = TestedPair(a=a, b=b, axis=axis, given_clean=given_clean, part=None)
    first, second = outcomes
    if first is None or second is None:
        found = zip((a, b), outcomes, strict=True)
        missing = tuple(model_name(architecture, recipe) for recipe, each in found if each is None)
        return replace(none, missing=missing, reason=f"not measured here: {', '.join(missing)}")
    if not seeds:
        return replace(none, reason=NO_SEED)
    left, right = (each.sum(axis=2, dtype=np.int64) for each in (first, second))
    if given_clean:
        both = np.all([each.clean for group in groups if group for each in group.replicas], axis=0)
        left, right = left[:, both], right[:, both]
    if not left.size:
        return replace(none, reason=NO_IMAGE)
    most = first.shape[2]
    return replace(
        none,
        part=paired(f"{a} − {b}", left, right, most=most),
        lead=int((left - right).sum()),
        seeds=tuple(sorted(seeds)),
        by_seed=tuple(float(each) for each in (left - right).mean(axis=1) / most),
    )


def adjusted(tested: Iterable[TestedPair]) -> list[TestedPair]:
    """The tests with p adjusted by Holm over those that were carried out and count for the verdict."""
    tests = list(tested)
    counted = [test.part.p for test in tests if test.part is not None and not test.given_clean]
    family = iter(holm(counted).tolist())
    return [
        test if test.part is None else replace(test, p=test.part.p if test.given_clean else next(family))
        for test in tests
    ]


def steps(recipes: Sequence[str]) -> list[tuple[str, str]]:
    """First against last, then each recipe against the next."""
    return [(recipes[0], recipes[-1]), *itertools.pairwise(recipes)]
