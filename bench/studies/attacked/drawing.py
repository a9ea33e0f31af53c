"""Draws the pages of a data set; every command that adds to them calls this."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.engine.store import Store
from bench.studies.attacked.carried import carried
from bench.studies.audit.collect import AuditResults
from bench.studies.robustness.balls import joined
from bench.studies.robustness.corruption_errors import chapter_errors
from bench.studies.robustness.history import Recorded, chapters, page_results
from bench.studies.robustness.results import Results


def write_page(
    store: Store, dataset: str, directory: Path, failed: Sequence[str], audits: Sequence[AuditResults]
) -> Path | None:
    """Draws a data set's page, with those of the audits that are on it; ``None`` if nothing is complete."""
    from bench.studies import attacked as report

    # results of a released protocol never come before sound results
    newest, *older = sorted(chapters(store, dataset), key=lambda chapter: chapter.released)
    main, apart = page_results(store, newest, failed)
    others = list(apart)
    for chapter in older:
        first, rest = page_results(store, chapter)
        others += [first, *rest]
    if not main.models and not main.failed:
        return None
    note = _group_page(store, newest, main, directory) if newest.groups else ""
    pool = [main, *others]
    main, *others = (joined(results, pool) for results in pool)
    others = [results for results in others if results.models]
    audits = [audit for audit in audits if audit.setting.base.dataset == dataset]
    return report.write(main, others, directory, data_note=note, audits=audits, verdicts=carried(store))


def _group_page(store: Store, chapter: Recorded, results: Results, directory: Path) -> str:
    """Draws the page of a corrupted data set by corruption; a sentence about such data for the other page."""
    from bench.studies.robustness.corruption_page import INTERVALS, write_groups_page

    assert chapter.groups is not None
    page = write_groups_page(results, chapter.groups, directory, chapter_errors(store, chapter))
    return INTERVALS + (
        f" {page.name} has the results by corruption, with intervals that take this into account."
        if page
        else ""
    )
