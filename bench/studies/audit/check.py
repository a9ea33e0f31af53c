"""What a check of the audit is."""

from __future__ import annotations

from dataclasses import dataclass

QUICK, FULL = "quick", "full"
BOTH = (QUICK, FULL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check.

    Attributes:
        id: ``C1`` …
        title: what is checked, as a statement that should hold.
        kind: ``fatal`` (a flag makes the numbers worthless), ``strength`` (a flag says that a stronger attack
            breaks more images) or ``inform``.
        rule: when it is flagged, in words.
        threshold: the number in the rule; ``None`` where any occurrence is flagged.
        source: where rule and threshold are from; "ours" marks a threshold no source gives.
        cost: ``stored`` (from the evaluation itself), ``probe`` (a short look at the model) or ``run``
            (further attacks).
        modes: the modes of the audit it belongs to.
        meaning: what a flag means.
        remedy: what to do about it.
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
