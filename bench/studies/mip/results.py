"""Maximum invariant perturbations joined over shards, the input of tables, figures and pages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from bench.inputs.model_info import ModelInfo
from bench.numbers.bootstrap import Interval, bootstrap
from bench.studies.mip.cells import MipSetting
from bench.studies.shared.results import SettingResults

RESAMPLES = 4000
LEVEL = 0.95


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MipResult:
    """One model's maximum invariant perturbations.

    Attributes:
        info: the model.
        steps: (n, draws) rate · grid, see ``bench.studies.mip.removal.steps_withstood``.
        right: (n,) bool, classified correctly before removal; the others are left out of every number.
        grid: of the rates.
        seconds: time the cells took.
        digest: sha256 over the cells' results.
    """

    info: ModelInfo
    steps: Int64[np.ndarray, "n draws"]
    right: Bool[np.ndarray, " n"]
    grid: int
    seconds: float
    digest: str

    @property
    def rates(self) -> Float64[np.ndarray, "m draws"]:
        """Of the m images that are classified correctly before removal, in [0, 1]."""
        return self.steps[self.right] / self.grid

    @property
    def wrong(self) -> int:
        """Images misclassified before removal, which are left out."""
        return int((~self.right).sum())

    def quantiles(self, at: tuple[float, ...] = (0.25, 0.5, 0.75)) -> tuple[float, ...]:
        """Quantiles over all images and draws; NaN where there is no image."""
        if not self.rates.size:
            return (float("nan"),) * len(at)
        return tuple(float(value) for value in np.quantile(self.rates, at))

    def mean(self) -> Interval:
        """Over images and draws; images are resampled with all their draws."""
        return mean_interval(self.rates.mean(axis=1), LEVEL)

    @property
    def spread_over_draws(self) -> float:
        """Typical standard deviation (n − 1) of one image's draws, the root mean square over images.

        NaN with a single draw. It is the typical error of a single draw of an image.
        """
        if self.rates.shape[1] < 2 or not self.rates.size:
            return float("nan")
        return float(np.sqrt(self.rates.var(axis=1, ddof=1).mean()))

    @property
    def spread_over_images(self) -> float:
        """Standard deviation (n − 1) of the images' means; NaN for less than two images."""
        return float(self.rates.mean(axis=1).std(ddof=1)) if len(self.rates) > 1 else float("nan")

    @property
    def withstood_all(self) -> float:
        """Share of images and draws right with every value removed, as their class is that of the empty image."""
        return float((self.rates == 1).mean()) if self.rates.size else float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class MipComparison:
    """Two models on the same images and orders.

    Attributes:
        model, reference: names.
        images: classified correctly by both before removal.
        difference: mean rate of ``model`` minus that of ``reference``; the intervals of all comparisons on
            a page together keep 95 % (Bonferroni).
        ahead: share of images and draws in which ``model`` withstands more; ``behind``: less.
    """

    model: str
    reference: str
    images: int
    difference: Interval
    ahead: float
    behind: float

    @property
    def verdict(self) -> str:
        """The verdict of the interval on the difference."""
        if self.difference.lo > 0:
            return "withstands more"
        if self.difference.hi < 0:
            return "withstands less"
        return "undecided here"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MipResults(SettingResults[MipSetting, MipResult]):
    """All models of one setting; the first is the reference of the comparisons."""

    def comparisons(self) -> tuple[MipComparison, ...]:
        """Every other model against the first."""
        if len(self.models) < 2:
            return ()
        reference, *others = self.models
        level = 1 - (1 - LEVEL) / len(others)
        return tuple(_compared(model, reference, level) for model in others)


def mean_interval(values: Float64[np.ndarray, " m"], level: float) -> Interval:
    """The mean of per-image values with its bootstrap interval; NaN where there are none."""
    return bootstrap(values, np.mean, draws=RESAMPLES, level=level)


def _compared(model: MipResult, reference: MipResult, level: float) -> MipComparison:
    both = model.right & reference.right
    difference = (model.steps[both] - reference.steps[both]) / model.grid
    return MipComparison(
        model=model.info.name,
        reference=reference.info.name,
        images=int(both.sum()),
        difference=mean_interval(difference.mean(axis=1), level),
        ahead=float((difference > 0).mean()) if difference.size else float("nan"),
        behind=float((difference < 0).mean()) if difference.size else float("nan"),
    )
