"""The paper's theory as numbers (its secs. 4 and 5), for every model of the zoo.

Lemmas and theorems about equivariant networks have hypotheses and conclusions; both are measured here, on
trained weights and real images. Functions are pure: models and images in, arrays out.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.studies.theory.claims import VERDICTS, TheoryClaim, interval_text, number
    from bench.studies.theory.intervals import Interval, median_difference, median_interval
    from bench.studies.theory.layers import LayerError, layer_errors
    from bench.studies.theory.measured import EXACT, ModelTheory, measure_model
    from bench.studies.theory.orbit import OrbitSpread, orbit_spread
    from bench.studies.theory.order import CleverComparison, clever_order
    from bench.studies.theory.results import TheoryResults, assemble
    from bench.studies.theory.tangent import TangentRatio, rotate, tangent_ratio

__all__ = [
    "EXACT",
    "VERDICTS",
    "CleverComparison",
    "Interval",
    "LayerError",
    "ModelTheory",
    "OrbitSpread",
    "TangentRatio",
    "TheoryClaim",
    "TheoryResults",
    "assemble",
    "clever_order",
    "interval_text",
    "layer_errors",
    "measure_model",
    "median_difference",
    "median_interval",
    "number",
    "orbit_spread",
    "rotate",
    "tangent_ratio",
]

_HOMES = {
    "claims": ("VERDICTS", "TheoryClaim", "interval_text", "number"),
    "intervals": ("Interval", "median_difference", "median_interval"),
    "layers": ("LayerError", "layer_errors"),
    "measured": ("EXACT", "ModelTheory", "measure_model"),
    "orbit": ("OrbitSpread", "orbit_spread"),
    "order": ("CleverComparison", "clever_order"),
    "results": ("TheoryResults", "assemble"),
    "tangent": ("TangentRatio", "rotate", "tangent_ratio"),
}


def __getattr__(name: str) -> Any:
    """Loads what a name needs when it is first used, so that importing the package loads nothing heavy."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
