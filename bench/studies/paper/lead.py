"""The first screen of the paper's page: the verdicts on its claims, each in one line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.numbers.wording import FAILS, HOLDS, UNTOLD
from bench.pages.lead import Change, Lead, counted
from bench.studies.paper.outcome import JudgedClaim
from bench.studies.paper.reproduction import Reproduction

_WORDS = {
    HOLDS: ("holds", "hold"),
    FAILS: ("does not hold", "do not hold"),
    UNTOLD: ("is undecided", "are undecided"),
}


@dataclass(frozen=True, slots=True)
class ClaimLine:
    """A claim in one line: its number, id and quote, and its verdicts; ``alone`` is empty where it has none."""

    number: int
    id: str
    quote: str
    sound: str
    released: str
    alone: str


def lead_of(reproduction: Reproduction, judged: Sequence[JudgedClaim]) -> Lead:
    """The first screen of the page."""
    return Lead(
        study="the paper beside ours",
        dataset=reproduction.dataset,
        finding=_finding(judged),
        verdict="Our networks are others, and trained differently"
        + (", on other images" if reproduction.relation == "other" else "")
        + ": a difference between two numbers is not an error of either side.",
        about="Every number that “Bridging Symmetry and Robustness” (arXiv 2510.16171v3) prints, beside ours on "
        f"{reproduction.dataset} under one strict evaluation for all models (sound) and under that of the authors' "
        f"released scripts (released); budget: {reproduction.budget}.",
        changes=tuple(_changes(reproduction, judged)),
        failed=reproduction.failed,
    )


def claim_lines(judged: Sequence[JudgedClaim]) -> tuple[ClaimLine, ...]:
    """Every claim in one line, in the paper's order."""
    return tuple(
        ClaimLine(
            number=i + 1,
            id=each.claim.id,
            quote=each.claim.quote,
            sound=each.outcomes["sound"].verdict,
            released=each.outcomes["released"].verdict,
            alone=alone.verdict if (alone := each.outcomes["sound"].alone) else "",
        )
        for i, each in enumerate(judged)
    )


def alone_on(judged: Sequence[JudgedClaim]) -> str:
    """The measured data set, if claims are judged on it alone; empty if no claim is about it."""
    found = (each.outcomes["sound"].alone for each in judged)
    return next((alone.dataset for alone in found if alone), "")


def _finding(judged: Sequence[JudgedClaim]) -> str:
    lines = claim_lines(judged)
    text = (
        f"Of the paper's {counted(len(lines), 'claim')}, {_tally([line.sound for line in lines])} under the sound "
        f"protocol, and {_tally([line.released for line in lines])} under the released scripts"
    )
    alone = [line.alone for line in lines if line.alone]
    return f"{text}; on {alone_on(judged)} alone {_tally(alone)} of {len(alone)}." if alone else f"{text}."


def _tally(verdicts: Sequence[str]) -> str:
    """As ``3 do not hold and 17 are undecided``."""
    words = (
        (HOLDS, "holds", "hold"),
        (FAILS, "does not hold", "do not hold"),
        (UNTOLD, "is undecided", "are undecided"),
    )
    found = [counted(count, one, many) for verdict, one, many in words if (count := verdicts.count(verdict))]
    return " and ".join(filter(None, (", ".join(found[:-1]), *found[-1:])))


def _changes(reproduction: Reproduction, judged: Sequence[JudgedClaim]) -> Iterator[Change]:
    undecided = [each.outcomes["sound"] for each in judged if each.outcomes["sound"].verdict == UNTOLD]
    commands = [outcome.command for outcome in undecided if outcome.command]
    if commands:
        most = max(dict.fromkeys(commands), key=commands.count)
        yield Change(f"To decide {counted(commands.count(most), 'undecided claim')}:", most)
    if reproduction.budget != "full":
        yield Change("All fifteen ε instead of four (option --budget full).")
    if reproduction.missing:
        name, command = next(iter(reproduction.missing.items()))
        yield Change(
            f"{counted(len(reproduction.missing), 'model')} that have no weights, such as {name}.", command
        )
