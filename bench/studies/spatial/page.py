"""Accuracy under rotations and translations of one setting as an HTML page with its figures beside it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.pages.format import slug
from bench.pages.frame import environment, write
from bench.pages.style import FEW
from bench.studies.spatial.lead import lead_of
from bench.studies.spatial.results import QUARTERS, SpatialResults
from bench.studies.spatial.setting import GRID_ROTATION, GRID_TRANSLATION

if TYPE_CHECKING:
    from bench.studies.spatial.figures import Drawing

_BEYOND = {"black": "black beyond the border", "edge": "beyond the border the nearest pixel of it"}
_READ = {"bilinear": "bilinearly", "nearest": "at the nearest pixel"}


def write_spatial_page(results: SpatialResults, others: Sequence[SpatialResults], directory: Path) -> Path:
    """Writes ``<directory>/<data set>-spatial.html`` and its figures, each file whole or not at all.

    Args:
        results: the results on the page.
        others: earlier settings of the same data set, shown as compact tables at the end.
        directory: for the page and ``figures/``; made if absent.

    Returns:
        The path of the page.

    Raises:
        UsageError: the directory cannot be written.
    """
    stem = f"{slug(results.setting.dataset)}-spatial"
    page = directory / f"{stem}.html"
    return write(page, (results, others), partial(_render, results, others, stem))


def _render(
    results: SpatialResults, others: Sequence[SpatialResults], stem: str
) -> tuple[str, dict[str, bytes]]:
    """The page, and the files of its figures by name."""
    setting = results.setting
    random, turned = _drawn(results, stem)
    html = (
        environment()
        .get_template("spatial_page.html.j2")
        .render(
            lead=lead_of(results),
            results=results,
            setting=setting,
            random=random,
            turned=turned,
            quarters=quarters_of(results),
            by_family=len(results.models) > FEW,
            reach=(GRID_ROTATION, GRID_TRANSLATION),
            read=_READ[setting.interpolation],
            beyond=_BEYOND[setting.fill],
            others=others,
        )
    )
    return html, {**(random.files if random else {}), **(turned.files if turned else {})}


def quarters_of(results: SpatialResults) -> tuple[float, ...]:
    """Those of 90°, 180° and 270° that are among the fixed angles."""
    turns = results.setting.turns
    return tuple(angle for angle in QUARTERS if turns and (angle * turns / 360).is_integer())


def _drawn(results: SpatialResults, stem: str) -> tuple[Drawing | None, Drawing | None]:
    """The figures that have content."""
    if not results.models:
        return None, None
    from bench.studies.spatial.figures import draw_random, draw_turned

    setting = results.setting
    return (
        draw_random(results, stem) if setting.rotations else None,
        draw_turned(results, stem) if setting.turns else None,
    )
