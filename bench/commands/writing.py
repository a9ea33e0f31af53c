"""Pages of a data set, as every command that adds to them draws them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.audit_collect import audit_history
from bench.history import chapters, page_results
from bench.store import Store


def write_page(store: Store, dataset: str, directory: Path, failed: Sequence[str]) -> Path | None:
    """Draws a data set's page; ``None`` if nothing of it is complete."""
    from bench import report

    newest, *older = chapters(store, dataset)
    main, apart = page_results(store, newest, failed)
    others = list(apart)
    for chapter in older:
        first, rest = page_results(store, chapter)
        others += [first, *rest]
    if not main.models and not main.failed:
        return None
    audits = audit_history(store, dataset)
    return report.write(main, [results for results in others if results.models], directory, audits=audits)
