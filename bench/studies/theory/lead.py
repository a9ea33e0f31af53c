"""The first screen of the page on theory."""

from __future__ import annotations

from bench.numbers.wording import FAILS, HOLDS, UNTOLD
from bench.pages.lead import Change, Lead, counted, listed
from bench.studies.theory.results import TheoryResults


def lead_of(results: TheoryResults) -> Lead:
    """The first screen of the page."""
    own = [claim for claim in results.claims if not claim.proxy]
    by_verdict = {
        verdict: [claim.where for claim in own if claim.verdict == verdict]
        for verdict in (HOLDS, FAILS, UNTOLD)
    }
    parts = [f"{len(found)} {_told(verdict, len(found))}" for verdict, found in by_verdict.items() if found]
    refuted = by_verdict[FAILS]
    changes = [
        Change("Other models: the statements are about all such networks, and only these were measured.")
    ]
    if not results.comparisons:
        changes.append(
            Change("CLEVER scores: one claim is about them.", f"bench clever --dataset {results.dataset}")
        )
    return Lead(
        study="theory as numbers",
        dataset=results.dataset,
        finding=f"Of {counted(len(own), 'claim')} of the paper's theory, {listed(parts)}."
        + (f" Contradicted by the measurements: {'; '.join(refuted)}." if refuted else ""),
        verdict="An equality holds if its relative error is 1e-9 or less. The measurement of small rotations "
        "is a proxy, and not counted here.",
        about=f"{counted(len(results.models), 'trained model')} on the first {counted(results.n, 'image')}."
        + (f" {results.about}" if results.about else ""),
        changes=tuple(changes),
        failed=results.failed,
    )


def _told(verdict: str, count: int) -> str:
    """A verdict as the end of a sentence about so many claims."""
    one, several = {HOLDS: ("holds", "hold"), FAILS: ("does not hold", "do not hold")}.get(
        verdict, (f"is {verdict}", f"are {verdict}")
    )
    return one if count == 1 else several
