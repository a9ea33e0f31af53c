"""Detection in one setting as an HTML page with its figure, and its rows in ``detections.csv`` beside it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench.leaderboard import table_file
from bench.numbers.eps import eps_text
from bench.pages.format import slug
from bench.pages.frame import environment, write
from bench.studies.detect.lead import lead_of
from bench.studies.detect.results import DetectResults
from bench.studies.detect.rows import COLUMNS, IDENTITY, NAME, detection_rows


def write_detect_page(results: DetectResults, others: Sequence[DetectResults], directory: Path) -> Path:
    """Writes ``<directory>/<data set>-detect.html``, its figure, and the rows of all settings.

    Args:
        results: the results on the page.
        others: earlier settings of the same data set, shown as compact tables at the end.
        directory: of these files; made if absent.

    Returns:
        The path of the page.

    Raises:
        UsageError: the directory cannot be written, or holds another ``detections.csv``.
    """
    stem = f"{slug(results.setting.dataset)}-detect"
    written = write(directory / f"{stem}.html", (results, others), partial(_render, results, others, stem))
    rows = [row for each in (results, *others) for row in detection_rows(each)]
    table_file.merge(directory / NAME, rows, COLUMNS, IDENTITY)
    return written


def _render(
    results: DetectResults, others: Sequence[DetectResults], stem: str
) -> tuple[str, dict[str, bytes]]:
    """The page, and the files of its figure by name."""
    figure, files = "", {}
    if results.models:
        from bench.studies.detect.figures import draw_detection

        title = f"{results.setting.dataset}: detection at ε = {eps_text(results.setting.radii[-1])}"
        figure, files = draw_detection(results.models, title, stem)
    templates = environment()
    templates.filters |= {"eps": eps_text}
    html = templates.get_template("detect.html.j2").render(
        lead=lead_of(results), results=results, setting=results.setting, figure=figure, others=others
    )
    return html, files
