"""Invariance attacks in one setting as an HTML page, and its rows in ``invariances.csv`` beside it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench.leaderboard import table_file
from bench.numbers.eps import eps_text
from bench.pages.format import slug
from bench.pages.frame import environment, write
from bench.studies.invariance.lead import lead_of
from bench.studies.invariance.results import InvarianceResults
from bench.studies.invariance.rows import COLUMNS, IDENTITY, NAME, invariance_rows


def write_invariance_page(
    results: InvarianceResults, others: Sequence[InvarianceResults], directory: Path
) -> Path:
    """Writes ``<directory>/<data set>-invariance.html``, and the rows of all settings.

    Args:
        results: the results on the page.
        others: earlier settings of the same data set, shown as compact tables at the end.
        directory: of these files; made if absent.

    Returns:
        The path of the page.

    Raises:
        UsageError: the directory cannot be written, or holds another ``invariances.csv``.
    """
    page = directory / f"{slug(results.setting.dataset)}-invariance.html"
    written = write(page, (results, others), partial(_render, results, others))
    rows = [row for each in (results, *others) for row in invariance_rows(each)]
    table_file.merge(directory / NAME, rows, COLUMNS, IDENTITY)
    return written


def _render(results: InvarianceResults, others: Sequence[InvarianceResults]) -> tuple[str, dict[str, bytes]]:
    templates = environment()
    templates.filters |= {"eps": eps_text}
    html = templates.get_template("invariance.html.j2").render(
        lead=lead_of(results), results=results, setting=results.setting, others=others
    )
    return html, {}
