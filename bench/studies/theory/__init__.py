"""The paper's theory as numbers (its secs. 4 and 5), for every model of the zoo.

Lemmas and theorems about equivariant networks have hypotheses and conclusions; both are measured here, on
trained weights and real images. Functions are pure: models and images in, arrays out.
"""

from bench.studies.theory.claims import VERDICTS, Claim, claims, interval_text, number
from bench.studies.theory.intervals import Interval, median_difference, median_interval
from bench.studies.theory.layers import LayerError, layer_errors
from bench.studies.theory.measured import EXACT, ModelTheory, measure_model
from bench.studies.theory.orbit import OrbitSpread, orbit_spread
from bench.studies.theory.order import Comparison, clever_order
from bench.studies.theory.results import TheoryResults, assemble
from bench.studies.theory.tangent import TangentRatio, rotate, tangent_ratio

__all__ = [
    "EXACT",
    "VERDICTS",
    "Claim",
    "Comparison",
    "Interval",
    "LayerError",
    "ModelTheory",
    "OrbitSpread",
    "TangentRatio",
    "TheoryResults",
    "assemble",
    "claims",
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
