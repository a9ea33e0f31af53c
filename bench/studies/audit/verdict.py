"""The verdict of findings, and both as JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from bench.leaderboard.marks import BELIEVABLE, NOT_BELIEVABLE, UPPER_BOUND, marked
from bench.studies.audit.checks import CHECKS
from bench.studies.audit.findings import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """All findings about the evaluation of one model.

    Attributes:
        model: its name in tables.
        weights: sha256 of its weights.
        mode: ``quick`` or ``full``.
        findings: one for each check that belongs to the mode.
        suspect: kinds of the first look's findings (see ``bench.inputs.first_look``); empty for none.
    """

    model: str
    weights: str
    mode: str
    findings: tuple[Finding, ...]
    suspect: str = ""

    @property
    def verdict(self) -> str:
        """``not_believable`` if a fatal check failed or the first look found the model suspect, ``upper_bound`` if a
        strength check was flagged.

        Else ``believable``: nothing was found that contradicts the numbers.
        """
        flagged = {CHECKS[each.id].kind for each in self.findings if each.status in ("fail", "warn")}
        if "fatal" in flagged or self.suspect:
            return NOT_BELIEVABLE
        return UPPER_BOUND if "strength" in flagged else BELIEVABLE

    @property
    def mark(self) -> str:
        """The verdict with the level of the audit, as ``believable(quick)``."""
        return marked(self.verdict, self.mode)


def to_json(audit: Audit) -> dict[str, Any]:
    """The audit as plain values; a number that is not finite becomes ``None``."""
    return {
        "model": audit.model,
        "weights": audit.weights,
        "mode": audit.mode,
        "verdict": audit.verdict,
        "suspect": audit.suspect,
        "checks": [
            {
                "id": each.id,
                "status": each.status,
                "value": _finite(each.value),
                "threshold": _finite(each.threshold),
                "title": CHECKS[each.id].title,
                "detail": each.detail,
            }
            for each in audit.findings
        ],
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
