"""Accuracy against the passes that an attack was allowed."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from bench.studies.robustness.results import Curve, ModelResult, Setting


def accuracy_by_passes(
    setting: Setting, model: ModelResult, curve: Curve, i: int
) -> Float64[np.ndarray, " passes"]:
    """The share of all images that stands at the i-th ε after each of ``curve.trace_passes``.

    Raises:
        ValueError: the attack was run without a budget.
    """
    if curve.trace is None:
        raise ValueError(f"{curve.request.label} was run without a budget of passes")
    ball = curve.request.spec.threat == "ball"  # there every found image is within ε
    broken = curve.trace[i] <= (np.finfo(np.float32).max if ball else setting.eps[i])
    return (model.clean.correct[:, None] & ~broken).mean(axis=0)
