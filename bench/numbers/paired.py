"""Differences of two accuracies with intervals, on the same images or on different ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.numbers.stats import quantile, wilson


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference of two shares of images with its interval.

    Attributes:
        value: share of the first minus share of the second, in [-1, 1].
        lo, hi: the interval, -1 <= lo <= value <= hi <= 1.
        only_a, only_b: images that only the first (only the second) classifies correctly; ``None`` if the two are not
            paired image by image.
        n: images both were measured on; ``None`` where they were not paired.
    """

    value: float
    lo: float
    hi: float
    only_a: int | None = None
    only_b: int | None = None
    n: int | None = None


def paired_difference(a: np.ndarray, b: np.ndarray, level: float = 0.95) -> Difference:
    """The difference of two models' accuracies on the same images, with Tango's score interval (Tango 1998).

    With r images that only a has right, s that only b has, and n in all, the bounds are the differences Δ at
    which the score test just rejects, |r − s − nΔ| = z·√(n·(2q + Δ(1 − Δ))), where q is the most likely share
    of images only b has right, given Δ: q = (√(B² + 8ncΔ(1 − Δ)) − B) / 4n with c = s and
    B = (2n − r + s)Δ − r − s. At Δ = 0 it is McNemar's test without continuity correction; images that both
    or neither have right count in n alone.

    Args:
        a, b: (n,) bool, image by image; n at least 1.
        level: nominal coverage, above 0 and below 1. It is kept on average: enumerated at 95 % for pairs of
            shares from 0.005 to 0.3, it is 0.959 on average and 0.935 at worst for n = 60, 0.955 and 0.933
            for n = 100.

    Raises:
        ValueError: shapes differ or are not (n,), there are no images, or level is outside (0, 1).
    """
    a, b = np.asarray(a, dtype=bool), np.asarray(b, dtype=bool)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"outcomes of shapes {a.shape} and {b.shape} cannot be paired")
    if not len(a):
        raise ValueError("a difference over 0 images is not defined")
    z, n = _quantile(level), len(a)
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    value = (only_a - only_b) / n
    lo, hi = -_upper(only_b, only_a, n, z), _upper(only_a, only_b, n, z)
    return Difference(value, lo, hi, only_a, only_b, n)


def independent_difference(k1: float, n1: int, k2: float, n2: int, level: float = 0.95) -> Difference:
    """The difference k1/n1 − k2/n2 of shares of different images, or of images not known one by one.

    It is Newcombe's hybrid score interval (Newcombe 1998, *Interval estimation for the difference between independent
    proportions*, method 10): with shares p and Wilson's bounds l, u of each, lo = d − √((p1 − l1)² + (u2 − p2)²) and hi
    = d + √((u1 − p1)² + (p2 − l2)²). On the same images it is too wide if both tend to be right on the same ones.

    Args:
        k1, n1: successes and trials of the first.
        k2, n2: of the second.
        level: nominal coverage, above 0 and below 1.

    Raises:
        ValueError: as ``wilson``.
    """
    first, second = wilson(k1, n1, level), wilson(k2, n2, level)
    value = first.value - second.value
    below = math.hypot(first.value - first.lo, second.hi - second.value)
    above = math.hypot(first.hi - first.value, second.value - second.lo)
    return Difference(value, max(-1.0, value - below), min(1.0, value + above))


def _upper(r: int, s: int, n: int, z: float) -> float:
    """The upper bound on a difference observed as (r − s) / n."""
    if r == n:
        return 1.0
    # At the difference itself the variance is 0 where no image differs, or all do: begin slightly above it.
    start = (r - s) / n + 1e-6 * z * z / n
    from scipy import optimize

    bound: Any = optimize.brentq(_excess, start, 1.0, args=(r, s, n, z))
    return bound


def _excess(delta: float, r: int, s: int, n: int, z: float) -> float:
    """nΔ − (r − s) minus z standard errors: negative for Δ that the score test does not reject."""
    slope = (2 * n - r + s) * delta - r - s
    spread = delta * (1 - delta)
    # both radicands are at least 0 but for rounding
    q = (math.sqrt(max(0.0, slope * slope + 8 * n * s * spread)) - slope) / (4 * n)
    return n * delta - (r - s) - z * math.sqrt(max(0.0, n * (2 * q + spread)))


def _quantile(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; it must lie between 0 and 1")
    return quantile(level)
