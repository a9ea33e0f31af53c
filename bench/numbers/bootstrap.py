"""The percentile bootstrap over images (Efron 1979): one for all studies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

Statistic = Callable[..., np.ndarray]  # takes ``axis``, as ``np.mean`` and ``np.median`` do


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its interval, in the unit of what was measured."""

    value: float
    lo: float
    hi: float


def resampled(
    values: Float[np.ndarray, " n"], statistic: Statistic, draws: int, rng: np.random.Generator
) -> Float[np.ndarray, " draws"]:
    """A statistic of (n,) values drawn n at a time with replacement; n is at least 1."""
    n = len(values)
    return statistic(values[rng.integers(n, size=(draws, n))], axis=1)


def percentiles(
    drawn: Float[np.ndarray, " draws"], level: float, *, method: str = "linear"
) -> tuple[float, float]:
    """The middle share ``level`` of resampled statistics.

    Args:
        drawn: as ``resampled`` gives them.
        level: of confidence, in (0, 1).
        method: of ``np.quantile``; ``inverted_cdf`` gives values that were drawn, infinite ones included.
    """
    lo, hi = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], method=method)  # type: ignore[call-overload]
    return float(lo), float(hi)


def bootstrap(
    values: Float[np.ndarray, " n"], statistic: Statistic, *, draws: int, seed: int = 0, level: float = 0.95
) -> Interval:
    """A statistic of per-image values with its interval, seeded; NaN where there are no values."""
    if not len(values):
        return Interval(float("nan"), float("nan"), float("nan"))
    drawn = resampled(values, statistic, draws, np.random.default_rng(seed))
    return Interval(float(statistic(values, axis=0)), *percentiles(drawn, level))
