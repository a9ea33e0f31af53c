"""Signs that a CLEVER result should not be believed without caution."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

THRESHOLDS: dict[str, float] = {  # a share above its threshold is a flag
    "zero_gradient": 0.0,
    "censored": 0.5,
    "fallback": 0.05,
    "above_attack": 0.0,
}


def flags(arrays: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Shares among the images classified rightly; 0 where there are none.

    Args:
        arrays: what ``clever`` returned; with the ``distance`` of ``upper_bounds`` for the last share.

    Returns:
        ``zero_gradient``: images with a margin whose sampled gradients were all 0: the score says nothing.
        ``censored``: images whose score is the radius: the score says only "at least".
        ``fallback``: (image, target) pairs whose fit was not believed: the estimate is the largest sample.
        ``above_attack``: images whose score exceeds the size of a verified perturbation: not a lower bound.
    """
    right = arrays["standing"]
    shares = {name: _share(arrays[name][right]) for name in ("zero_gradient", "censored", "fallback")}
    if "distance" in arrays:
        shares["above_attack"] = _share(arrays["score"][right] > arrays["distance"][right])  # NaN: not above
    return shares


def raised(shares: Mapping[str, float]) -> tuple[str, ...]:
    """The names of the shares above their thresholds."""
    return tuple(name for name, share in shares.items() if share > THRESHOLDS[name])


def _share(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else 0.0
