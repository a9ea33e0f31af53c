"""Whether CLEVER scores order the models as the paper's "tighter certified robustness bounds" has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from bench.studies.theory.intervals import Interval, median_difference
from zoo.entries import UnknownModel, made, parsed

BASELINE = "baseline_cnn"
HOLDS = "holds"
FAILS = "does not hold"
UNTOLD = "undecided here"


@dataclass(frozen=True, slots=True)
class CleverComparison:
    """A model's median score less that of the baseline of its depth, recipe and seed.

    Attributes:
        difference: in the unit of the scores; the intervals of all comparisons together keep 95 %.
        verdict: ``holds`` where the interval lies above 0, ``does not hold`` where below.
    """

    model: str
    baseline: str
    difference: Interval
    verdict: str


def clever_order(
    scores: Mapping[str, Float[np.ndarray, " n"]], *, paired: bool = True, seed: int = 0
) -> tuple[CleverComparison, ...]:
    """Every symmetric model of the zoo against its baseline; models without one are left out.

    Args:
        scores: per-image CLEVER scores by name of the model, of one norm and radius.
        paired: entry i is of the same image for all models.
        seed: of the bootstrap.
    """
    pairs = [(name, _baseline(name)) for name in scores]
    pairs = [(name, base) for name, base in pairs if base in scores and base != name]
    level = 1 - 0.05 / max(1, len(pairs))  # Bonferroni: the claim is about all of them at once
    return tuple(
        CleverComparison(name, base, gap := _gap(scores, name, base, paired, seed, level), _verdict(gap))
        for name, base in pairs
    )


def order_verdict(comparisons: tuple[CleverComparison, ...]) -> str:
    """The claim is about all symmetric models: it holds if all do, and fails with the first that does not."""
    verdicts = {comparison.verdict for comparison in comparisons}
    if FAILS in verdicts:
        return FAILS
    return HOLDS if verdicts == {HOLDS} else UNTOLD


def _gap(
    scores: Mapping[str, Float[np.ndarray, " n"]],
    name: str,
    base: str,
    paired: bool,
    seed: int,
    level: float,
) -> Interval:
    return median_difference(scores[name], scores[base], paired=paired, seed=seed, level=level)


def _verdict(gap: Interval) -> str:
    return HOLDS if gap.lo > 0 else FAILS if gap.hi < 0 else UNTOLD


def _baseline(name: str) -> str:
    """The baseline trained as the model was; empty for a model that is not of the zoo."""
    try:
        own = parsed(name)
    except UnknownModel:
        return ""
    return made(BASELINE, own.depth, own.recipe, own.seed, best=own.best).name
