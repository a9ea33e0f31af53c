"""The paper's theory as numbers (its secs. 4 and 5), for every model of the zoo.

Lemmas and theorems about equivariant networks have hypotheses and conclusions; both are measured here, on
trained weights and real images. Functions are pure: models and images in, arrays out.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.studies.theory.averaged import OrbitAverage, orbit_average
    from bench.studies.theory.claim import VERDICTS, TheoryClaim, interval_text, number
    from bench.studies.theory.intervals import Interval, median_difference, median_interval
    from bench.studies.theory.layers import LayerError, layer_errors
    from bench.studies.theory.measured import (
        EXACT,
        GradientTheory,
        ModelTheory,
        measure_gradients,
        measure_model,
    )
    from bench.studies.theory.orbit import OrbitSpread, orbit_spread
    from bench.studies.theory.order import BaselineComparison, against_baselines
    from bench.studies.theory.results import TheoryResults, assemble
    from bench.studies.theory.scales import ScaleGradients, rescale, scale_gradients
    from bench.studies.theory.tangent import TangentRatio, rotate, tangent_ratio
    from bench.studies.theory.turned import TurnedGradients, turned_gradients

__all__ = [
    "EXACT",
    "VERDICTS",
    "BaselineComparison",
    "GradientTheory",
    "Interval",
    "LayerError",
    "ModelTheory",
    "OrbitAverage",
    "OrbitSpread",
    "ScaleGradients",
    "TangentRatio",
    "TheoryClaim",
    "TheoryResults",
    "TurnedGradients",
    "against_baselines",
    "assemble",
    "interval_text",
    "layer_errors",
    "measure_gradients",
    "measure_model",
    "median_difference",
    "median_interval",
    "number",
    "orbit_average",
    "orbit_spread",
    "rescale",
    "rotate",
    "scale_gradients",
    "tangent_ratio",
    "turned_gradients",
]

_HOMES = {
    "averaged": ("OrbitAverage", "orbit_average"),
    "claim": ("VERDICTS", "TheoryClaim", "interval_text", "number"),
    "intervals": ("Interval", "median_difference", "median_interval"),
    "layers": ("LayerError", "layer_errors"),
    "measured": ("EXACT", "GradientTheory", "ModelTheory", "measure_gradients", "measure_model"),
    "orbit": ("OrbitSpread", "orbit_spread"),
    "order": ("BaselineComparison", "against_baselines"),
    "results": ("TheoryResults", "assemble"),
    "scales": ("ScaleGradients", "rescale", "scale_gradients"),
    "tangent": ("TangentRatio", "rotate", "tangent_ratio"),
    "turned": ("TurnedGradients", "turned_gradients"),
}


def __getattr__(name: str) -> Any:
    """Loads what a name needs when it is first used, so that importing the package loads nothing heavy."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
