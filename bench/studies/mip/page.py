"""Maximum invariant perturbations of one setting as an HTML page with its figure beside it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench.pages.format import slug
from bench.pages.frame import environment, write
from bench.studies.mip.lead import lead_of
from bench.studies.mip.removal import FILLS
from bench.studies.mip.results import MipResults


def write_mip_page(results: MipResults, others: Sequence[MipResults], directory: Path) -> Path:
    """Writes ``<directory>/<data set>-mip.html`` and its figure, each file whole or not at all.

    Args:
        results: the results on the page.
        others: earlier settings of the same data set, shown as compact tables at the end.
        directory: for the page and ``figures/``; made if absent.

    Returns:
        The path of the page.

    Raises:
        UsageError: the directory cannot be written.
    """
    stem = f"{slug(results.setting.dataset)}-mip"
    page = directory / f"{stem}.html"
    return write(page, (results, others), partial(_render, results, others, stem))


def _render(results: MipResults, others: Sequence[MipResults], stem: str) -> tuple[str, dict[str, bytes]]:
    """The page, and the files of its figure by name."""
    figure, files = "", {}
    if any(model.rates.size for model in results.models):
        from bench.studies.mip.figures import draw_mip

        title = f"{results.setting.dataset}: maximum invariant perturbation, fill {results.setting.fill}"
        figure, files = draw_mip(results.models, title, stem)
    html = (
        environment()
        .get_template("mip.html.j2")
        .render(
            lead=lead_of(results),
            results=results,
            setting=results.setting,
            value=FILLS[results.setting.fill],
            comparisons=results.comparisons(),
            figure=figure,
            others=others,
            classes={"withstands more": "right", "withstands less": "wrong"},
        )
    )
    return html, files
