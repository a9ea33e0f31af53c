"""The definition of a check of the audit."""

from __future__ import annotations

from dataclasses import dataclass

from bench.leaderboard.marks import FULL, QUICK

BOTH = (QUICK, FULL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check.

    Attributes:
        id: ``C1`` …
        title: the checked statement, which should hold.
        kind: ``fatal`` (a flag makes the numbers worthless), ``strength`` (a flag says that a stronger attack
            breaks more images) or ``inform``.
        rule: the condition of a flag, in words.
        threshold: the number in the rule; ``None`` where any occurrence is flagged.
        source: where rule and threshold are from; "ours" marks a threshold no source gives.
        cost: ``stored`` (from the evaluation itself), ``probe`` (a short test of the model) or ``run`` (further
            attacks).
        modes: the modes of the audit it belongs to.
        meaning: of a flag.
        remedy: the action to take.
    """

    id: str
    title: str
    kind: str
    rule: str
    threshold: float | None = None
    source: str
    cost: str
    modes: tuple[str, ...] = BOTH
    meaning: str
    remedy: str
