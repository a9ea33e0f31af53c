"""Medians over images with percentile bootstrap intervals (Efron 1979)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from bench.numbers.bootstrap import Interval, percentiles, resampled

DRAWS = 4000


def median_interval(values: Float[np.ndarray, " n"], *, seed: int = 0, level: float = 0.95) -> Interval:
    """The median of (n,) per-image values; the interval is over the choice of images alone."""
    values = _checked(values)
    drawn = resampled(values, np.median, DRAWS, np.random.default_rng(seed))
    return _interval(float(np.median(values)), drawn, level)


def median_difference(
    a: Float[np.ndarray, " n"],
    b: Float[np.ndarray, " m"],
    *,
    paired: bool,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """The median of ``a`` minus the median of ``b``.

    Args:
        a, b: per-image values, of shapes (n,) and (m,).
        paired: entry i of both is of the same image, so that images are drawn for both together.
    """
    a, b = _checked(a), _checked(b)
    rng = np.random.default_rng(seed)
    if paired and len(a) != len(b):
        raise ValueError(f"{len(a)} and {len(b)} values cannot be of the same images")
    if paired:
        chosen = rng.integers(0, len(a), (DRAWS, len(a)))
        drawn = np.median(a[chosen], axis=1) - np.median(b[chosen], axis=1)
    else:
        drawn = resampled(a, np.median, DRAWS, rng) - resampled(b, np.median, DRAWS, rng)
    return _interval(float(np.median(a) - np.median(b)), drawn, level)


def _checked(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or len(values) == 0 or np.isnan(values).any():
        raise ValueError(f"a median needs numbers, one an image; these have shape {values.shape} or a NaN")
    return values


def _interval(value: float, drawn: Float[np.ndarray, " draws"], level: float) -> Interval:
    lo, hi = percentiles(drawn, level, method="inverted_cdf")
    return Interval(value, min(lo, value), max(hi, value))
