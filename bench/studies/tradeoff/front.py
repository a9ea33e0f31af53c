"""The Pareto front of points on two axes: the points that no other one beats on both."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64


def on_front(points: Float64[np.ndarray, "m 2"]) -> Bool[np.ndarray, " m"]:
    """The points that no other one dominates; more is better on both axes.

    A point dominates another if it is at least as good on both axes and better on one. Of equal points all
    are on the front, or none.

    Args:
        points: (m, 2) finite values; m may be 0.

    Raises:
        ValueError: a value is not finite.
    """
    if not np.isfinite(points).all():
        raise ValueError("a point of the plane is not finite")
    found = np.zeros(len(points), dtype=bool)
    best = -np.inf  # second value of the points passed, all of which have a larger first one
    for first in np.unique(points[:, 0])[::-1]:
        here = points[:, 0] == first
        top = points[here, 1].max()
        if top > best:
            found |= here & (points[:, 1] == top)
            best = top
    return found


def staircase(points: Float64[np.ndarray, "m 2"]) -> Float64[np.ndarray, "k 2"]:
    """The points of the front from left to right, each once: corners of the region they dominate."""
    front = np.unique(points[on_front(points)], axis=0)
    return front[np.argsort(front[:, 0])]
