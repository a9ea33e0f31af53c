"""The first screen of the page on CLEVER scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.pages.format import norm_text, percent, significant
from bench.pages.lead import Change, Lead, counted
from bench.studies.clever.results import CleverResults
from bench.studies.clever.tables import CleverLine, against_text, budget_text


def lead_of(results: CleverResults, rows: Sequence[CleverLine]) -> Lead:
    """What the page says first; ``rows`` is its table, the largest median first."""
    setting = results.setting
    options = setting.options
    return Lead(
        study="CLEVER scores",
        dataset=setting.dataset,
        finding=_finding(results, rows),
        verdict=_verdict(rows),
        about=f"{counted(len(rows), 'model')} on the first {counted(setting.n, 'image')}, "
        f"{norm_text(options.norm)} ball of radius {options.radius:.6g} (pixels in [0, 1]), against "
        f"{against_text(options)}; engine {options.engine}, {budget_text(options)}.",
        changes=tuple(_changes(rows)),
        failed=results.failed,
    )


def _finding(results: CleverResults, rows: Sequence[CleverLine]) -> str:
    if not rows:
        return "No model was scored."
    best = rows[0]
    size = f"{norm_text(results.setting.options.norm)} size"
    text = (
        f"{best.name} has the largest CLEVER score: {size} {significant(best.median)} in the median over images "
        f"({significant(best.lo)}–{significant(best.hi)})"
    )
    if "above_attack" in best.shares:
        text += f"; the smallest perturbation found has {significant(best.distance)} in the median"
    return f"{text}."


def _verdict(rows: Sequence[CleverLine]) -> str:
    text = "CLEVER estimates a lower bound on the smallest perturbation that changes a decision; it certifies nothing."
    shares = [row.shares["above_attack"] for row in rows if "above_attack" in row.shares]
    known = [share for share in shares if share == share]
    if known and not max(known):
        return f"{text} No attack found a smaller perturbation than the score."
    if known:
        share = " to ".join(dict.fromkeys([percent(min(known)), percent(max(known))]))
        text += f" Attacks found smaller perturbations than the score on {share} % of the correctly classified images."
    return text


def _changes(rows: Sequence[CleverLine]) -> Iterator[Change]:
    flags = {flag.name: flag for row in rows for flag in row.flags}
    for flag in flags.values():
        raised = sum(flag in row.flags for row in rows)
        yield Change(f"“{flag.word.capitalize()}” is flagged for {counted(raised, 'model')}. {flag.remedy}")
    if not flags:
        yield Change("A stronger attack, which may find smaller perturbations.")
