"""A claim of the paper's theory, and the formats of its measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.numbers.wording import FAILS, HOLDS, UNTOLD
from bench.studies.theory.intervals import Interval
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


def below_verdict(medians: Sequence[Interval], bound: float) -> str:
    """Holds if all intervals end at or below ``bound``, fails if one begins above it; undecided without any."""
    if any(each.lo > bound for each in medians):
        return FAILS
    return HOLDS if medians and all(each.hi <= bound for each in medians) else UNTOLD
