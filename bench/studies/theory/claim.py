"""A claim of the paper's theory, and the formats of its measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from bench.numbers.wording import FAILS, HOLDS, UNTOLD
from bench.studies.theory.intervals import Interval, median_interval
from bench.studies.theory.measured import EXACT

VERDICTS = (HOLDS, FAILS, UNTOLD)
MUCH = 10  # the ratio that "≫" is taken to mean


@dataclass(frozen=True, slots=True)
class TheoryClaim:
    """A claim.

    Attributes:
        id: for links.
        where: section of the paper.
        statement: what is claimed.
        measured: the finding, with numbers.
        verdict: one of ``VERDICTS``.
        why: the basis of the verdict and the open questions.
        proxy: ours, in place of a measurement that cannot be made; it is not counted among the paper's claims.
    """

    id: str
    where: str
    statement: str
    measured: str
    verdict: str
    why: str
    proxy: bool = False


def number(value: float) -> str:
    """Three significant digits: ``0.0123``, ``1.24e-16``, ``0``."""
    return f"{value:.3g}"


def interval_text(of: Interval) -> str:
    """``0.51 (0.43 to 0.62)``."""
    return f"{number(of.value)} ({number(of.lo)} to {number(of.hi)})"


def span(values: Sequence[float]) -> str:
    """``0.1 to 0.3``, or one number where all are alike; ``values`` are one or more."""
    lo, hi = min(values), max(values)
    return number(lo) if lo == hi else f"{number(lo)} to {number(hi)}"


def exact_verdict(errors: Sequence[float]) -> str:
    """Whether an equality holds: no relative error is above ``EXACT``; undecided without any."""
    return UNTOLD if not errors else HOLDS if max(errors) <= EXACT else FAILS


def below_verdict(rows: Sequence[Float64[np.ndarray, " n"]], bound: float, seed: int) -> str:
    """Whether the medians of all rows of per-image values are at or below ``bound``.

    Holds if every 95 % interval ends there. Fails if one of the intervals, widened to hold together with 95 %
    (Bonferroni), begins above it. Undecided without any.
    """
    together = 1 - 0.05 / max(len(rows), 1)
    if any(median_interval(row, seed=seed, level=together).lo > bound for row in rows):
        return FAILS
    return HOLDS if rows and all(median_interval(row, seed=seed).hi <= bound for row in rows) else UNTOLD
