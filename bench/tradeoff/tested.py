"""One paired test between two models, with all training runs that both have."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.paper.contrast import Part, paired
from bench.stats import holm
from bench.tradeoff.results import Axis, Tradeoff, model_name

LEVEL = 0.05
AS_CLAIMED, AGAINST, NEITHER = "as claimed", "against it", "cannot tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """The accuracy of one model less that of another on the same images.

    Attributes:
        a, b: recipes.
        axis: the accuracy that is compared; claimed is that it is larger for ``a``.
        given_clean: over the images alone that all replicas of both have right when clean.
        part: what was found, each image's scores summed over the seeds; ``None`` where nothing was measured.
        seeds: of the training runs that both have.
        by_seed: the difference of each of them.
        missing: models that were not measured.
        p: adjusted by Holm over the claim's tests; of a test that is no part of the verdict as it is.
    """

    a: str
    b: str
    axis: Axis
    given_clean: bool
    part: Part | None
    seeds: tuple[int, ...] = ()
    by_seed: tuple[float, ...] = ()
    missing: tuple[str, ...] = ()
    p: float = 1.0

    @property
    def verdict(self) -> str:
        """What the test says of the claimed direction."""
        if self.part is None or self.p >= LEVEL:
            return NEITHER
        return AS_CLAIMED if self.part.toward else AGAINST

    @property
    def value(self) -> float:
        """The difference; NaN where nothing was measured."""
        return float("nan") if self.part is None else self.part.difference.value


def compare(
    tradeoff: Tradeoff, architecture: str, a: str, b: str, axis: Axis, *, given_clean: bool = False
) -> Tested:
    """Tests whether recipe ``a`` has a higher accuracy than ``b``, by the exact paired sign flip.

    An image's score is its sum over draws and over the training runs both have. So the test is over images,
    for these networks: how far other training runs would differ is not in it.
    """
    of = [tradeoff.group(architecture, recipe) for recipe in (a, b)]
    found = [g for g in of if g is not None and tradeoff.share(g, axis) is not None]
    if len(found) < 2:
        here = {group.name for group in found}
        names = (model_name(architecture, recipe) for recipe in (a, b))
        missing = tuple(name for name in names if name not in here)
        return Tested(a=a, b=b, axis=axis, given_clean=given_clean, part=None, missing=missing)
    seeds = tuple(sorted(set(found[0].seeds) & set(found[1].seeds)))
    pairs = [[r for r in group.replicas if r.seed in seeds] for group in found]
    outcomes = [tradeoff.stacked(replicas, axis) for replicas in pairs]
    left, right = (None if each is None else each.sum(axis=2, dtype=np.int64) for each in outcomes)
    names = tuple(group.name for group in found)
    none = Tested(a=a, b=b, axis=axis, given_clean=given_clean, part=None, missing=names)
    if left is None or right is None or outcomes[0] is None:
        return none
    if given_clean:
        both = np.all([replica.clean for replicas in pairs for replica in replicas], axis=0)
        left, right = left[:, both], right[:, both]
    if not left.size:
        return none
    most = outcomes[0].shape[2]
    return Tested(
        a=a,
        b=b,
        axis=axis,
        given_clean=given_clean,
        part=paired(f"{a} − {b}", left, right, most=most),
        seeds=seeds,
        by_seed=tuple(float(each) for each in (left - right).mean(axis=1) / most),
    )


def adjusted(tested: Iterable[Tested]) -> list[Tested]:
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
