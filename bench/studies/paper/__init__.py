"""The numbers and claims of "Bridging Symmetry and Robustness" (arXiv 2510.16171v3) beside ours.

Everything is a pure function of the printed numbers, kept as data, and of the measurements.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.studies.paper.claim import PaperClaim
    from bench.studies.paper.claims import CLAIMS
    from bench.studies.paper.compare import PaperRow, Side, rows
    from bench.studies.paper.outcome import ClaimOutcome, JudgedClaim, TestOutcome
    from bench.studies.paper.published import Published, Statement, numbers, printed_means, source, statements
    from bench.studies.paper.reproduction import COLUMNS, RELATIONS, Corrupted, MeasuredModel, Reproduction
    from bench.studies.paper.sections import SECTIONS, Needed, Section, needed
    from bench.studies.paper.verdicts import judge

__all__ = [
    "CLAIMS",
    "COLUMNS",
    "RELATIONS",
    "SECTIONS",
    "ClaimOutcome",
    "Corrupted",
    "JudgedClaim",
    "MeasuredModel",
    "Needed",
    "PaperClaim",
    "PaperRow",
    "Published",
    "Reproduction",
    "Section",
    "Side",
    "Statement",
    "TestOutcome",
    "judge",
    "needed",
    "numbers",
    "printed_means",
    "rows",
    "source",
    "statements",
]

_HOMES = {
    "claim": ("PaperClaim",),
    "claims": ("CLAIMS",),
    "compare": ("PaperRow", "Side", "rows"),
    "outcome": ("ClaimOutcome", "JudgedClaim", "TestOutcome"),
    "published": ("Published", "Statement", "numbers", "printed_means", "source", "statements"),
    "reproduction": ("COLUMNS", "RELATIONS", "Corrupted", "MeasuredModel", "Reproduction"),
    "sections": ("SECTIONS", "Needed", "Section", "needed"),
    "verdicts": ("judge",),
}


def __getattr__(name: str) -> Any:
    """Loads what a name needs when it is first used, so that importing the package loads nothing heavy."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
