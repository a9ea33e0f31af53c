"""CLEVER (Weng et al., ICLR 2018): an estimate of how far an image is from the decision boundary.

For an image x of class c and another class j, the margin z_c − z_j cannot vanish within
margin / L of x, where L is the largest dual norm of its gradient there (their Theorem 3.2). CLEVER estimates
L by extreme values of sampled gradient norms. It **estimates** a lower bound on the smallest perturbation; it
certifies nothing. ``upper_bounds`` finds verified perturbations, so that the truth lies between the two
unless the estimate is wrong.

``import bench.studies.clever`` loads neither torch nor ART; each name below loads what it needs when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# Loaded at once, so that the name `flags` is the function and not the module it lies in.
from bench.studies.clever.flags import THRESHOLDS, flags, raised
from bench.studies.clever.options import (
    ENGINES,
    NORMS,
    PRESETS,
    RADII,
    CleverOptions,
    default_radius,
    parse_options,
)

if TYPE_CHECKING:
    from bench.studies.clever.sandwich import upper_bounds
    from bench.studies.clever.scores import clever, image_seed

__all__ = [
    "ENGINES",
    "NORMS",
    "PRESETS",
    "RADII",
    "THRESHOLDS",
    "CleverOptions",
    "clever",
    "default_radius",
    "flags",
    "image_seed",
    "parse_options",
    "raised",
    "upper_bounds",
]

_HOMES = {
    "clever": "scores",
    "image_seed": "scores",
    "upper_bounds": "sandwich",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'bench.studies.clever' has no attribute {name!r}")
    return getattr(importlib.import_module(f"bench.studies.clever.{_HOMES[name]}"), name)
