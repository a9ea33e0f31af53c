"""Outcomes on corrupted images by corruption: means, and two different spreads.

The spread over corruptions says how much they differ (the row "Std" of Table 1 of "Bridging Symmetry and Robustness").
The spread over seeds says how much one measurement would change if its random numbers did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from bench.numbers.stats import mean_of_draws
from zoo.grouped import SEVERITIES, Groups


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class GroupTable:
    """Shares of images, of one outcome such as "right under attack at ε".

    Attributes:
        names: the corruptions.
        images: base images counted.
        cells: (corruptions, 5) share of the base images, by corruption and severity 1 to 5.
        lo, hi: 95 % interval of `mean`, over the choice of base images (see `by_group`).
    """

    names: tuple[str, ...]
    images: int
    cells: Float64[np.ndarray, "c s"]
    lo: float
    hi: float

    @property
    def by_corruption(self) -> Float64[np.ndarray, " c"]:
        """Mean over severities and images, by corruption."""
        return self.cells.mean(axis=1)

    @property
    def by_severity(self) -> Float64[np.ndarray, " s"]:
        """Mean over corruptions and images, by severity."""
        return self.cells.mean(axis=0)

    @property
    def mean(self) -> float:
        """Over corruptions, severities and images."""
        return float(self.cells.mean())

    @property
    def spread(self) -> float:
        """Sample standard deviation (n − 1) over the corruptions; NaN for a single one."""
        return _sd(self.by_corruption)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SeedTable:
    """The same outcome measured with several seeds.

    Attributes:
        names: the corruptions.
        by_corruption: (corruptions,) mean over seeds.
        corruption_spread: sample standard deviation of these over the corruptions.
        seed_spread: sample standard deviation of the overall means over the seeds; NaN for a single seed.
        seed_spreads: (corruptions,) the same for each corruption.
    """

    names: tuple[str, ...]
    by_corruption: Float64[np.ndarray, " c"]
    corruption_spread: float
    seed_spread: float
    seed_spreads: Float64[np.ndarray, " c"]

    @property
    def mean(self) -> float:
        """Over seeds, corruptions, severities and images."""
        return float(self.by_corruption.mean())


def by_group(outcome: Bool[np.ndarray, " n"], groups: Groups) -> GroupTable:
    """One outcome of the first n images by corruption and severity.

    Images made from one base image are not independent, so the interval is over the choice of base images, each with
    all images made from it (`bench.numbers.stats.mean_of_draws`, 95 %). It says nothing about other corruptions.

    With few base images it is too narrow, especially for shares near 0 and 1. With 70 images of each and their shares
    from Beta(1, 1), (4, 1), (9, 1) and (0.1, 0.9) it covered the mean in 92.8, 91.2, 90.4 and 84.9 % of 20,000
    simulated samples of 14 base images, and in 94.5, 94.1, 93.8 and 93.4 % of 50.

    Args:
        outcome: (n,) of the first n images; those of a base image that is not complete are left out.
        groups: corruption, severity and base image of each image.

    Raises:
        ValueError: n is less than one whole base image, or more than the set has.
    """
    images = len(outcome) // groups.block
    if images < 1 or len(outcome) > len(groups):
        raise ValueError(
            f"{len(outcome)} outcomes do not hold a whole base image: it takes {groups.block}, of {len(groups)}"
        )
    whole = outcome[: images * groups.block].reshape(images, len(groups.names), SEVERITIES)
    share = mean_of_draws(whole.reshape(images, -1))
    return GroupTable(names=groups.names, images=images, cells=whole.mean(axis=0), lo=share.lo, hi=share.hi)


def over_seeds(tables: Sequence[GroupTable]) -> SeedTable:
    """Joins tables of the same corruptions, one for each seed; the two spreads stay separate.

    Raises:
        ValueError: there is no table, or their corruptions differ.
    """
    if not tables or any(table.names != tables[0].names for table in tables):
        raise ValueError("seeds are compared on the same corruptions, and there must be one at least")
    rows = np.stack([table.by_corruption for table in tables])
    return SeedTable(
        names=tables[0].names,
        by_corruption=rows.mean(axis=0),
        corruption_spread=_sd(rows.mean(axis=0)),
        seed_spread=_sd(rows.mean(axis=1)),
        seed_spreads=np.array([_sd(column) for column in rows.T]),
    )


def _sd(values: Float64[np.ndarray, " m"]) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
