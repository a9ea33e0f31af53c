"""The first screen of the page by corruption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bench.pages.format import percent
from bench.pages.lead import Change, Lead, counted, listed

if TYPE_CHECKING:
    from bench.numbers.groups import GroupTable
    from bench.studies.robustness.results import Results
    from zoo.grouped import Groups


def lead_of(
    results: Results, groups: Groups, clean: Mapping[str, GroupTable], attacks: Sequence[str], intervals: str
) -> Lead:
    """The first screen of the page.

    Args:
        results: what was measured.
        groups: which image is which.
        clean: by model, at least one, its accuracy without attack.
        attacks: names of the attacks.
        intervals: the sentence on intervals that count images.
    """
    images = next(iter(clean.values())).images
    under = f", and under {listed(attacks)}" if attacks else ""
    return Lead(
        study="by corruption",
        dataset=results.setting.dataset,
        finding=_finding(groups, clean),
        verdict=f"{intervals} The intervals on this page count base images.",
        about=f"{counted(len(clean), 'model')} on {counted(images, 'base image')} of {groups.base}, each under "
        f"{counted(len(groups.names), 'corruption')} at 5 severities{under}.",
        changes=(Change("More base images (option --n) make the intervals narrower."),),
        failed=results.failed,
    )


def _finding(groups: Groups, clean: Mapping[str, GroupTable]) -> str:
    best = max(clean, key=lambda name: clean[name].mean)
    table = clean[best]
    hardest = groups.names[int(table.by_corruption.argmin())].replace("_", " ")
    text = (
        f"{best} classifies {percent(table.mean)} % ({percent(table.lo)}–{percent(table.hi)}) of the corrupted "
        f"images correctly"
    )
    if len(clean) > 1:
        text += f", more than any other of {len(clean)} models"
    return f"{text}; it is worst under {hardest} ({percent(float(table.by_corruption.min()))} %)."
