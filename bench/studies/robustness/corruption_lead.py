"""The first screen of the page by corruption."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.pages.format import percent
from bench.pages.lead import Change, Lead, counted, listed

if TYPE_CHECKING:
    from bench.studies.robustness.corruption_page import GroupRow
    from bench.studies.robustness.results import Results
    from zoo.grouped import Groups


def lead_of(
    results: Results, groups: Groups, rows: Sequence[GroupRow], attacks: Sequence[str], intervals: str
) -> Lead:
    """What the page says first; ``intervals`` is the sentence on intervals that count images."""
    images = rows[0].tables[0].images
    under = f", and under {listed(attacks)}" if attacks else ""
    return Lead(
        study="by corruption",
        dataset=results.setting.dataset,
        finding=_finding(groups, rows),
        verdict=f"{intervals} The intervals here count base images.",
        about=f"{counted(len(rows), 'model')} on {counted(images, 'base image')} of {groups.base}, each under "
        f"{counted(len(groups.names), 'corruption')} at 5 severities{under}.",
        changes=(Change("More base images (option --n) make the intervals narrower."),),
        failed=results.failed,
    )


def _finding(groups: Groups, rows: Sequence[GroupRow]) -> str:
    ordered = sorted(rows, key=lambda row: row.tables[0].mean, reverse=True)
    best, table = ordered[0], ordered[0].tables[0]
    hardest = groups.names[int(table.by_corruption.argmin())].replace("_", " ")
    text = (
        f"{best.name} classifies {percent(table.mean)} % ({percent(table.lo)}–{percent(table.hi)}) of the corrupted "
        f"images correctly"
    )
    if len(rows) > 1:
        text += f", the most of {len(rows)} models"
    return f"{text}; {hardest} costs it most ({percent(float(table.by_corruption.min()))} %)."
