"""The tables of the CLEVER page, and the names of its flags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.studies.clever.options import CleverOptions
from bench.studies.clever.results import CleverResult, CleverResults

NAN = float("nan")


@dataclass(frozen=True, slots=True)
class FlagText:
    """A flag's name, meaning and remedy."""

    name: str
    word: str
    meaning: str
    remedy: str

    @property
    def advice(self) -> str:
        """Meaning and remedy."""
        return f"{self.meaning} {self.remedy}"


FLAGS: dict[str, FlagText] = {
    flag.name: flag
    for flag in (
        FlagText(
            "zero_gradient",
            "zero gradients",
            "Every gradient sampled around some image was 0, so its score means nothing, however large it "
            "is. Gradients "
            "are masked (saturation, rounding) or the radius is so large that the samples are no longer like images.",
            "Judge the model by attacks, and try a smaller --radius.",
        ),
        FlagText(
            "censored",
            "mostly censored",
            "Most scores equal the radius, so they are only lower limits of the estimate, and medians are "
            "no measurement.",
            "Choose a larger --radius.",
        ),
        FlagText(
            "fallback",
            "fits not believed",
            "Many extreme-value fits failed their test, so these scores are margin / largest sampled gradient, "
            "without any extrapolation, and tend to be too large.",
            "Use --engine evt; if that is flagged too, take more --samples.",
        ),
        FlagText(
            "above_attack",
            "above the attack",
            "For some images a verified perturbation is smaller than the estimate, so the estimate is no lower "
            "bound there: the samples missed the largest gradients.",
            "Do not quote these scores as bounds; take more --samples, or --engine evt.",
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


def budget_text(options: CleverOptions) -> str:
    """The number of gradients, in words."""
    drawn = "all fresh" if options.engine == "evt" else f"drawn from a pool of {options.gradients:,}"
    return f"{options.batches} maxima of {options.samples:,} gradients each, {drawn}, around every image"


def against_text(options: CleverOptions) -> str:
    """The target classes in words."""
    if options.targets is None:
        return "all other classes"
    return "the runner-up class" if options.targets == 1 else f"the {options.targets} runner-up classes"
