"""Verdicts in the column ``audit``, each with its basis."""

from __future__ import annotations

QUICK, FULL = "quick", "full"  # levels of an audit
BELIEVABLE, UPPER_BOUND, NOT_BELIEVABLE = "believable", "upper_bound", "not_believable"


def marked(verdict: str, level: str) -> str:
    """A verdict with its basis, as ``believable(quick)``."""
    return f"{verdict}({level})"


def verdict_of(mark: str) -> str:
    """The verdict of such a mark; empty if there is none."""
    return mark.partition("(")[0]


def level_of(mark: str) -> str:
    """The basis of a mark: ``quick``, ``full``, ``rows``, ``one step``, or ``unknown`` if none is stated."""
    return mark.partition("(")[2].removesuffix(")") or "unknown"


ROWS = marked(UPPER_BOUND, "rows")  # another row of the same ball is significantly lower
ONE_STEP = marked(UPPER_BOUND, "one step")  # an audit found nothing, but these numbers are of FGSM alone
OF_NUMBERS = (ROWS, ONE_STEP)  # of these numbers only, not of the model on these images


def kept(new: str, before: str) -> str:
    """The mark that counts where there was one: an audit that finds nothing does not outweigh rows that contradict.

    Neither does a quick audit that finds nothing outweigh a full one, which tries more.
    """
    outweighed = before == ROWS or (level_of(before) == FULL and level_of(new) == QUICK)
    return before if not new or (verdict_of(new) == BELIEVABLE and outweighed) else new


def on_numbers(mark: str, *, beaten: bool, single_step: bool) -> str:
    """The mark of a model as one of some of its numbers.

    Args:
        mark: the audit's; empty for none.
        beaten: another run got significantly further.
        single_step: the numbers are of attacks of one step alone.
    """
    if beaten:
        return kept(mark, ROWS)
    return ONE_STEP if single_step and verdict_of(mark) == BELIEVABLE else mark
