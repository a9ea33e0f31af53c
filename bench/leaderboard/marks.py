"""Verdicts in the column ``audit``, each with its basis."""

from __future__ import annotations

BELIEVABLE, UPPER_BOUND, NOT_BELIEVABLE = "believable", "upper_bound", "not_believable"


def marked(verdict: str, level: str) -> str:
    """A verdict with its basis, as ``believable(quick)``."""
    return f"{verdict}({level})"


def verdict_of(mark: str) -> str:
    """The verdict of such a mark; empty if there is none."""
    return mark.partition("(")[0]


def level_of(mark: str) -> str:
    """The basis of a mark: ``quick``, ``full``, ``rows``, or ``unknown`` if none is stated."""
    return mark.partition("(")[2].removesuffix(")") or "unknown"
