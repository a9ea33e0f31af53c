"""Whether models have larger medians than the baseline trained as they were, as the paper has it of several numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from bench.numbers.wording import FAILS, HOLDS, UNTOLD
from bench.studies.theory.intervals import Interval, median_difference
from zoo.entries import UnknownModel, made, parsed

BASELINE = "baseline_cnn"


@dataclass(frozen=True, slots=True)
class BaselineComparison:
    """A model's median less that of the baseline of its depth, recipe and seed.

    Attributes:
        difference: in the unit of the values; the intervals of all comparisons together keep 95 %.
        verdict: ``holds`` where the interval lies above 0, ``does not hold`` where below.
    """

    model: str
    baseline: str
    difference: Interval
    verdict: str


def against_baselines(
    scores: Mapping[str, Float[np.ndarray, " n"]], *, paired: bool = True, seed: int = 0
) -> tuple[BaselineComparison, ...]:
    """Every model of the zoo against its baseline; models without one are left out.

    Args:
        scores: values by name of the model, one an image, such as CLEVER scores of one norm and radius.
        paired: entry i is of the same image for all models.
        seed: of the bootstrap.
    """
    pairs = [(name, baseline_of(name)) for name in scores]
    pairs = [(name, base) for name, base in pairs if base in scores and base != name]
    level = 1 - 0.05 / max(1, len(pairs))  # Bonferroni: the claim is about all of them at once
    return tuple(
        BaselineComparison(name, base, gap := _gap(scores, name, base, paired, seed, level), _verdict(gap))
        for name, base in pairs
    )


def order_verdict(comparisons: tuple[BaselineComparison, ...]) -> str:
    """A claim about all these models: it holds if all do, and fails with the first that does not."""
    verdicts = {comparison.verdict for comparison in comparisons}
    if FAILS in verdicts:
        return FAILS
    return HOLDS if verdicts == {HOLDS} else UNTOLD


def baseline_of(name: str) -> str:
    """The baseline trained as the model was; empty for a model that is not of the zoo."""
    try:
        own = parsed(name)
    except UnknownModel:
        return ""
    return made(BASELINE, own.depth, own.recipe, own.seed, best=own.best).name


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
