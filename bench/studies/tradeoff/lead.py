"""The first screen of the page on the trade-off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.numbers.eps import eps_text
from bench.numbers.stats import Share
from bench.numbers.wording import UNTOLD
from bench.pages.format import interval, percent
from bench.pages.lead import Change, Lead, counted, listed
from bench.studies.tradeoff.results import FRONT, FRONT_NAMES, SPATIAL, ModelGroup, Tradeoff
from bench.studies.tradeoff.verdicts import JudgedTradeoff


def lead_of(tradeoff: Tradeoff, judged: Sequence[JudgedTradeoff]) -> Lead:
    """What the page says first; ``judged`` are the claims."""
    setting = tradeoff.setting
    return Lead(
        study="spatial against adversarial robustness",
        dataset=setting.dataset,
        finding=" ".join(_findings(tradeoff, judged)),
        verdict="Accuracy under an attack is an upper bound on robust accuracy, and random rotations are no worst "
        "case. Only the direction of the statements is tested, on the networks measured here.",
        about=f"{counted(len(tradeoff.groups), 'model')} on the first {counted(setting.n, 'image')}, "
        f"{counted(tradeoff.draws, 'random rotation')} of each at every angle; L∞ ball, ε up to "
        f"{eps_text(setting.eps[-1])} (pixels in [0, 1]).",
        changes=tuple(_changes(tradeoff, judged)),
        failed=tradeoff.failed,
    )


def _findings(tradeoff: Tradeoff, judged: Sequence[JudgedTradeoff]) -> Iterator[str]:
    for each in judged:
        yield f"{each.claim.title}: {each.verdict}."
    front = tradeoff.front()
    if front:
        axes = f"random rotation up to ±180° and {FRONT_NAMES[tradeoff.attack]}"
        yield f"No model is better on both axes ({axes}) than {listed([_named(tradeoff, each) for each in front])}."


def _named(tradeoff: Tradeoff, group: ModelGroup) -> str:
    shares = (tradeoff.share(group, SPATIAL), tradeoff.share(group, FRONT))
    return f"{group.name} ({' and '.join(map(_share, shares))})"


def _share(share: Share | None) -> str:
    return f"{percent(share.value)} %, {interval(share)}" if share else "–"


def _changes(tradeoff: Tradeoff, judged: Sequence[JudgedTradeoff]) -> Iterator[Change]:
    if tradeoff.missing:
        name, command = next(iter(tradeoff.missing.items()))
        yield Change(f"{counted(len(tradeoff.missing), 'model')} without weights, such as {name}.", command)
    if any(len(group.seeds) == 1 for group in tradeoff.groups):
        yield Change("More training seeds: some models are a single training.")
    if any(each.verdict == UNTOLD for each in judged):
        yield Change("More images, where a claim is undecided here.")
