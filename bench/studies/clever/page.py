"""CLEVER scores of one setting as an HTML page with its figures beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.pages.format import significant, slug
from bench.pages.frame import environment, write
from bench.pages.style import FEW
from bench.studies.clever import THRESHOLDS

if TYPE_CHECKING:
    import markupsafe

    from bench.studies.clever.figures import CleverFigures
    from bench.studies.clever.results import CleverResult, CleverResults

NAN = float("nan")


@dataclass(frozen=True, slots=True)
class FlagText:
    """What a flag is called, and what to do about it."""

    name: str
    word: str
    advice: str


FLAGS: dict[str, FlagText] = {
    flag.name: flag
    for flag in (
        FlagText(
            "zero_gradient",
            "zero gradients",
            "Every gradient sampled around some image was 0, so its score says nothing, however large it is. Gradients "
            "are masked (saturation, rounding) or the radius is so large that the samples are no longer like images: "
            "judge the model by attacks, and try a smaller --radius.",
        ),
        FlagText(
            "censored",
            "mostly censored",
            "Most scores are the radius itself and say only “at least”; medians are then no measurement. "
            "Choose a larger --radius.",
        ),
        FlagText(
            "fallback",
            "fits not believed",
            "Many extreme-value fits failed their test, so these scores are margin / largest sampled gradient, "
            "without any extrapolation, and tend to be too large. Use --engine evt; "
            "where that is flagged too, take more --samples.",
        ),
        FlagText(
            "above_attack",
            "above the attack",
            "For some images a verified perturbation is smaller than the estimate, which is thus no lower bound there: "
            "samples missed the steepest places. Do not quote these scores as bounds; "
            "take more --samples, or --engine evt.",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class CleverLine:
    """One model in the table. Shares are of the rightly classified images, NaN where there are none.

    Attributes:
        median, lo, hi: of the scores of all images, with its bootstrap interval.
        wrong: images classified wrongly, whose scores are 0.
        shares: zero gradient, censored, fallback and, where an attack was run, above it.
        distance: median over all images of the smallest perturbation found, 0 for a wrong image and infinite
            where none was found; NaN without an attack.
        right, found: rightly classified images, and how many of them the attack broke.
    """

    result: CleverResult
    median: float
    lo: float
    hi: float
    mean: float
    wrong: int
    shares: Mapping[str, float]
    distance: float
    right: int
    found: int
    flags: tuple[FlagText, ...]

    @property
    def name(self) -> str:
        return self.result.info.name


@dataclass(frozen=True, slots=True)
class FitRow:
    """One model's fits over (image, target) pairs; ``ratio``: Lipschitz estimate / largest sample."""

    name: str
    pairs: int
    p: float
    bands: tuple[float, ...]
    fallback: float
    ratio: float
    largest: float


def write_clever_page(results: CleverResults, others: Sequence[CleverResults], directory: Path) -> Path:
    """Writes ``<directory>/<data set>-clever.html`` and its figures, each file whole or not at all.

    Args:
        results: what the page is about.
        others: earlier settings of the same data set, shown as compact tables at the end.
        directory: where the page and ``figures/`` go; made if absent.

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


def rows(results: CleverResults) -> list[CleverLine]:
    """The table, the largest median first."""
    return sorted((_row(model) for model in results.models), key=lambda row: -row.median)


def _row(model: CleverResult) -> CleverLine:
    median, lo, hi = model.median_interval()
    right = model.right
    some = bool(right.any())
    distance, found = NAN, 0
    if "distance" in model.arrays:
        distances = model.arrays["distance"]
        distance = float(np.median(np.where(np.isnan(distances), np.inf, distances)))
        found = int(np.isfinite(distances[right]).sum())
    return CleverLine(
        result=model,
        median=median,
        lo=lo,
        hi=hi,
        mean=float(model.scores.mean()),
        wrong=int((~right).sum()),
        shares={name: share if some else NAN for name, share in model.shares().items()},
        distance=distance,
        right=int(right.sum()),
        found=found,
        flags=tuple(FLAGS[name] for name in model.raised()),
    )


def fit_rows(models: Sequence[CleverResult]) -> list[FitRow]:
    """One row a model."""
    return [_fit_row(model) for model in models]


def _fit_row(model: CleverResult) -> FitRow:
    from bench.studies.clever.figures import bands

    p, lipschitz, largest, fallback = (
        model.arrays[name][model.right].ravel()
        for name in ("ks_p", "lipschitz", "largest_sample", "fallback")
    )
    sampled = largest > 0
    ratios = lipschitz[sampled] / largest[sampled]
    tested = p[~np.isnan(p)]
    return FitRow(
        name=model.info.name,
        pairs=p.size,
        p=float(np.median(tested)) if tested.size else NAN,
        bands=bands(model),
        fallback=float(fallback.mean()) if fallback.size else NAN,
        ratio=float(np.median(ratios)) if ratios.size else NAN,
        largest=float(ratios.max()) if ratios.size else NAN,
    )


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
    templates.filters |= {"more": _more, "coded": _coded}
    return templates.get_template("clever.html.j2").render(
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


def _groups(figures: CleverFigures | None) -> dict[str, list[str]]:
    """The panels by architecture where they are many, else together; architectures as their best model."""
    groups: dict[str, list[str]] = {}
    panels = figures.panels if figures else ()
    for panel in panels:
        groups.setdefault(panel.group if len(panels) > FEW else "", []).append(panel.svg)
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
