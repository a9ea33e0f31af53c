"""The first screen of a data set's page: which models are most robust, and whether that may be believed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from bench.leaderboard.marks import BELIEVABLE, NOT_BELIEVABLE, UPPER_BOUND
from bench.pages.format import interval, norm_text, percent
from bench.pages.lead import Change, Lead, counted, listed
from bench.studies.attacked.headline import NOT_AUDITED, Headline
from bench.studies.audit import QUICK
from bench.studies.shared.commands import newest_command
from bench.studies.shared.options import with_options

if TYPE_CHECKING:
    from bench.numbers.stats import Share
    from bench.studies.robustness.ranking import Standing

_DATA = re.compile(r"--(?:dataset|data-root|weights-from|name|resize)[ =]\S+")


def lead_of(table: Headline, lines: Sequence[Standing], note: str = "") -> Lead:
    """The first screen of the page.

    Args:
        table: the ranked table.
        lines: all models, in its order.
        note: a sentence about the data set.
    """
    return Lead(
        study="adversarial robustness",
        dataset=table.results.setting.dataset,
        finding=_finding(table, lines),
        verdict=_verdict(table),
        about=_about(table, lines, note),
        changes=tuple(_changes(table)),
        failed=table.results.failed,
    )


def best_of(table: Headline) -> tuple[Standing, ...]:
    """The models for which no other one is significantly better."""
    return tuple(line for line in table.ranked if line.rank == 1)


def _finding(table: Headline, lines: Sequence[Standing]) -> str:
    if not lines:
        return "No model was measured."
    if not table.ranked:
        best = max(lines, key=lambda line: line.clean.value)
        correct = f"{best.name} classifies {_share(best.clean)} of the unattacked images correctly"
        return f"{correct}; no attack in a ball was run."
    first = best_of(table)
    against = f"in the mean over ε = {', '.join(table.eps)}, under {listed(table.attacks)}"
    what = "accuracy" if table.released else "worst-case accuracy"
    if len(first) == 1:
        text = f"{first[0].name} has the highest {what}: {_share(first[0].mean_worst)} {against}."
        others = {1: "", 2: " It is significantly better than the other."}
        return text + others.get(len(table.ranked), " It is significantly better than every other model.")
    named = listed([f"{line.name} ({_share(line.mean_worst)})" for line in first], most=3)
    return f"{named} have the highest {what}, {against}. They do not differ significantly from each other."


def _verdict(table: Headline) -> str:
    setting = table.results.setting
    if table.released:
        return (
            f"These are not robust accuracies: protocol {setting.protocol} follows published scripts. "
            "Do not compare them with other protocols."
        )
    return f"{_audited(table)} Accuracy under an attack is an upper bound on robust accuracy."


def _audited(table: Headline) -> str:
    bounds = [name for name in table.named(UPPER_BOUND) if name not in table.single_step]
    parts = [
        text.format(counted(len(names), "model"), listed(names))
        for names, text in (
            (table.named(NOT_BELIEVABLE), "the numbers of {0} cannot be believed ({1})"),
            (bounds, "for {0} a stronger attack breaks more images"),
            (table.single_step, "the numbers of {0} are of FGSM alone, a weak attack"),
            (table.named(BELIEVABLE), "nothing contradicts the numbers of {0}"),
            (table.named(NOT_AUDITED), "{0} without an audit"),
        )
        if names
    ]
    if len(parts) == 1 and table.named(NOT_AUDITED):
        return "No model was audited."
    level = f" ({table.audit_level})" if table.audit_level else ""
    limit = "; a quick audit tries no stronger attack" if QUICK in table.levels(BELIEVABLE) else ""
    return " ".join([f"Audit{level}: {'; '.join(parts)}{limit}.", *_falls(table)])


def _falls(table: Headline) -> Iterator[str]:
    """The largest fall of a ranked number under the audit's attacks."""
    falls = [
        (line.worst[i].value - share.value, line.name, i, line.worst[i], share)
        for line in table.ranked
        for i in range(len(table.eps))
        if (share := table.audit_share(line.name, i))
    ]
    if falls and (fall := max(falls, key=lambda each: each[0]))[0] > 0:
        _, name, i, ranked, share = fall
        left = f"{percent(ranked.value)} % here and {percent(share.value)} % there"
        yield f"The largest difference: {name} at ε = {table.eps[i]}, {left}."


def _about(table: Headline, lines: Sequence[Standing], note: str) -> str:
    setting = table.results.setting
    ball = (
        f" in the {norm_text(setting.norm)} ball (pixels in [0, 1])"
        if table.eps and not table.released
        else ""
    )
    units = " (ε in the units of the protocol)" if table.released else ""
    text = (
        f"{counted(len(lines), 'model')} on the first {counted(setting.n, 'image')}{ball}{units}; {setting.curve} "
        f"curves, protocol {setting.protocol}."
    )
    return f"{text} {note}" if note else text


def _changes(table: Headline) -> Iterator[Change]:
    if table.released or not table.ranked:
        return
    if not table.stronger:
        stronger = _command(table, best_of(table), "bench run", attacks="strong")
        tried = "The audit's attacks do not count in the ranking. " if table.audited_at else ""
        yield Change(f"{tried}A stronger attack, such as AutoAttack or its members.", stronger)
    unaudited = [line for line in table.ranked if table.verdict(line.name) == NOT_AUDITED]
    if unaudited:
        audit = _command(table, unaudited, "bench audit", audit="full")
        yield Change(f"An audit of the {counted(len(unaudited), 'model')} that have none.", audit)
    if len(best_of(table)) > 1:
        yield Change("More images (option --n), which may show differences between the best models.")
    yield Change("Other training seeds of the same designs: accuracy varies between seeds too.")


def _command(table: Headline, lines: Sequence[Standing], command: str, **options: str) -> str:
    """A command on some models: by their names, or if one is from a file, this page's command with other options."""
    page = newest_command(table.results.command)
    origins = {line.result.info.origin for line in lines}
    if "python" in origins:
        return ""
    if "file" in origins:
        return with_options(page, **{"audit": "", **options})
    names = ",".join(dict.fromkeys(line.result.info.name for line in lines))
    stated = " ".join(f"--{name} {value}" for name, value in options.items())
    return " ".join(filter(None, (command, "--model", names, *_DATA.findall(page), stated)))


def _share(share: Share) -> str:
    return f"{percent(share.value)} %, {interval(share)}"
