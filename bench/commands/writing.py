"""Pages of a data set, as every command that adds to them draws them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

from bench.engine.store import Store
from bench.studies.audit.collect import AuditResults
from bench.studies.robustness.balls import joined
from bench.studies.robustness.corruption_errors import chapter_errors
from bench.studies.robustness.history import Chapter, chapters, page_results
from bench.studies.robustness.results import Results


@runtime_checkable
class Shown(Protocol):
    """What the results of every setting with a page of its own have; they are dataclasses."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def setting(self) -> object: ...

    @property
    def models(self) -> Sequence[object]: ...

    @property
    def failed(self) -> Sequence[str]: ...


ShownT = TypeVar("ShownT", bound=Shown)


def draw_newest(
    history: Sequence[ShownT],
    results: ShownT | None,
    draw: Callable[[ShownT, Sequence[ShownT], Path], Path],
    directory: Path,
) -> Path | None:
    """Draws the page of the setting measured last, with the other ones after it; ``None`` if there is none.

    Args:
        history: what the store holds of each setting, the newest first.
        results: of the run that has just ended; ``None`` for the newest of ``history`` that has models.
        draw: writes the page of some results, the other settings' and the directory given.
        directory: where the page goes.
    """
    newest = results or next((each for each in history if each.models), None)
    if newest is None:
        return None
    # The store may hold more models of this setting than this run asked for; failures are this run's.
    known = {each.setting: each for each in history}
    shown = known.get(newest.setting, newest)
    others = [each for each in history if each.setting != newest.setting and each.models]
    return draw(replace(shown, failed=newest.failed), others, directory)


def write_page(
    store: Store, dataset: str, directory: Path, failed: Sequence[str], audits: Sequence[AuditResults]
) -> Path | None:
    """Draws a data set's page, with those of the audits that are on it; ``None`` if nothing is complete."""
    from bench.studies import dataset_page as report

    # what a released protocol measured never stands before sound results
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
    return report.write(main, others, directory, data_note=note, audits=audits)


def _group_page(store: Store, chapter: Chapter, results: Results, directory: Path) -> str:
    """Draws the page of a corrupted data set by corruption; a sentence about such data for the other page."""
    from bench.studies.robustness.corruption_page import INTERVALS, write_groups_page

    assert chapter.groups is not None
    page = write_groups_page(results, chapter.groups, directory, chapter_errors(store, chapter))
    return INTERVALS + (f" By corruption, and with intervals that know it: {page.name}." if page else "")
