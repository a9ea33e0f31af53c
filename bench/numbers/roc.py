"""How well a score separates two kinds of images: the ROC curve and the area under it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64


def auc(low: Float64[np.ndarray, " n"], high: Float64[np.ndarray, " m"]) -> float:
    """The probability that a score of ``high`` is above one of ``low``; equal ones count half (Mann and Whitney 1947).

    1 where every score of ``high`` is larger, 0.5 where both are distributed alike; NaN if one of them is empty.
    """
    if not len(low) or not len(high):
        return float("nan")
    ordered = np.sort(low)
    below = np.searchsorted(ordered, high, side="left")
    ties = np.searchsorted(ordered, high, side="right") - below
    return float((below + ties / 2).mean() / len(low))


def roc(
    low: Float64[np.ndarray, " n"], high: Float64[np.ndarray, " m"]
) -> tuple[Float64[np.ndarray, " points"], Float64[np.ndarray, " points"]]:
    """Shares of ``low`` and of ``high`` above every threshold, from (0, 0) to (1, 1); empty if one of them is empty."""
    if not len(low) or not len(high):
        return np.zeros(0), np.zeros(0)
    cuts = np.unique(np.concatenate([low, high]))[::-1]
    shares = [1 - np.searchsorted(np.sort(each), cuts, side="left") / len(each) for each in (low, high)]
    return np.concatenate([[0.0], shares[0]]), np.concatenate([[0.0], shares[1]])
