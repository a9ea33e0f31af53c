"""CLEVER scores of one setting as an HTML page with its figures beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.pages.format import significant, slug
from bench.pages.frame import environment, write
from bench.pages.style import FEW
from bench.studies.clever import THRESHOLDS
from bench.studies.clever.lead import lead_of
from bench.studies.clever.tables import FLAGS, against_text, budget_text, fit_rows, rows

if TYPE_CHECKING:
    import markupsafe

    from bench.studies.clever.figures import CleverFigures, CleverPanel
    from bench.studies.clever.results import CleverResults


def write_clever_page(results: CleverResults, others: Sequence[CleverResults], directory: Path) -> Path:
    """Writes ``<directory>/<data set>-clever.html`` and its figures, each file whole or not at all.

    Args:
        results: the results on the page.
        others: earlier settings of the same data set, shown as compact tables at the end.
        directory: for the page and ``figures/``; made if absent.

    Returns:
        The path of the page.

    Raises:
        UsageError: the directory cannot be written.
    """
    stem = f"{slug(results.setting.dataset)}-clever"

    def drawn() -> tuple[str, Mapping[str, bytes]]:
        figures = _draw(results, stem)
        return _render(results, others, figures), figures.files if figures else {}

    return write(directory / f"{stem}.html", (results, others), drawn)


def _draw(results: CleverResults, stem: str) -> CleverFigures | None:
    """The figures, or ``None`` where no model was scored."""
    if not results.models:
        return None
    from bench.studies.clever.figures import draw

    return draw([row.result for row in rows(results)], results.setting, stem)


def _render(results: CleverResults, others: Sequence[CleverResults], figures: CleverFigures | None) -> str:
    from bench.studies.clever.figures import BANDS, MOST_POINTS

    table = rows(results)
    models = [row.result for row in table]
    templates = environment()
    templates.filters |= {"more": _more, "coded": _coded, "budget": budget_text, "against": against_text}
    return templates.get_template("clever.html.j2").render(
        lead=lead_of(results, table),
        results=results,
        setting=results.setting,
        options=results.setting.options,
        rows=table,
        raised=[flag for flag in FLAGS.values() if any(flag in row.flags for row in table)],
        flags=[(flag, THRESHOLDS[flag.name]) for flag in FLAGS.values()],
        figures=figures,
        groups=_groups(figures),
        bands=BANDS,
        most_points=MOST_POINTS,
        fits=fit_rows(models),
        engines=list(results.compared),
        others=[(other, rows(other)) for other in others],
    )


def _groups(figures: CleverFigures | None) -> dict[str, list[CleverPanel]]:
    """The panels by architecture where they are many, else together; architectures as their best model."""
    groups: dict[str, list[CleverPanel]] = {}
    panels = figures.panels if figures else ()
    for panel in panels:
        groups.setdefault(panel.group if len(panels) > FEW else "", []).append(panel)
    return groups


def _coded(text: str) -> markupsafe.Markup:
    """A text, escaped, with its command-line options as code that no line is broken in."""
    import markupsafe

    code = r'<code class="option">\1</code>'
    return markupsafe.Markup(re.sub(r"(--[a-z]+( evt)?)", code, str(markupsafe.escape(text))))


def _more(ratio: float) -> str:
    """A ratio of two engines' scores in words."""
    if not np.isfinite(ratio):
        return "no image to compare"
    if ratio >= 2 or ratio <= 0.5:
        return f"{significant(ratio)} times ours"
    change = 100 * (ratio - 1)
    return (
        "the same" if abs(change) < 0.005 else f"{abs(change):.2f} % {'larger' if change > 0 else 'smaller'}"
    )
