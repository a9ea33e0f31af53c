"""The first screen of the page on the trade-off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.numbers.eps import eps_text
from bench.numbers.wording import UNTOLD
from bench.pages.format import percent
from bench.pages.lead import Change, Lead, counted, listed
from bench.studies.tradeoff.results import FRONT, SPATIAL, ModelGroup, Tradeoff
from bench.studies.tradeoff.verdicts import JudgedTradeoff


def lead_of(tradeoff: Tradeoff, judged: Sequence[JudgedTradeoff]) -> Lead:
    """The first screen of the page; ``judged`` are the claims."""
    setting = tradeoff.setting
    return Lead(
        study="spatial against adversarial robustness",
        dataset=setting.dataset,
        finding=_finding(tradeoff),
        verdict=" ".join(f"{each.claim.title}: {each.verdict}." for each in judged),
        about=f"{counted(len(tradeoff.groups), 'model')} on the first {counted(setting.n, 'image')}, "
        f"{counted(tradeoff.draws, 'random rotation')} of each at every angle; L∞ ball, ε up to "
        f"{eps_text(setting.eps[-1])} (pixels in [0, 1]). Accuracy under an attack is an upper bound on robust "
        "accuracy, and random rotations are not the worst case.",
        changes=tuple(_changes(tradeoff, judged)),
        failed=tradeoff.failed,
    )


def _finding(tradeoff: Tradeoff) -> str:
    front = tradeoff.front()
    if not front:
        return "No model was measured on both axes."
    named = listed([f"{each.name} ({_values(tradeoff, each)})" for each in front])
    return (
        f"No model is better on both axes, random rotation up to ±180° and {tradeoff.front_name}, than "
        f"{named}: whichever is better on one axis is worse on the other."
    )


def _values(tradeoff: Tradeoff, group: ModelGroup) -> str:
    return " and ".join(f"{percent(tradeoff.value(group, axis))} %" for axis in (SPATIAL, FRONT))


def _changes(tradeoff: Tradeoff, judged: Sequence[JudgedTradeoff]) -> Iterator[Change]:
    if tradeoff.missing:
        name, command = next(iter(tradeoff.missing.items()))
        yield Change(
            f"{counted(len(tradeoff.missing), 'model')} that have no weights, such as {name}.", command
        )
    if any(len(group.seeds) == 1 for group in tradeoff.groups):
        yield Change("More training seeds: some models have only one.")
    if any(each.verdict == UNTOLD for each in judged):
        yield Change("More images, where a claim is undecided.")
