"""What is measured of one model."""

from __future__ import annotations

import time
from dataclasses import dataclass

from jaxtyping import Float, Int64
from torch import Tensor, nn

from bench.inputs.model_info import ModelInfo
from bench.studies.theory.layers import LayerError, layer_errors
from bench.studies.theory.orbit import OrbitSpread, orbit_spread
from bench.studies.theory.tangent import TangentRatio, tangent_ratio

EXACT = 1e-9  # a relative error that is rounding in float64, whatever the depth


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ModelTheory:
    """One model; ``seconds`` is the wall time of all of it."""

    info: ModelInfo
    layers: tuple[LayerError, ...]
    orbit: OrbitSpread
    tangent: TangentRatio
    seconds: float

    @property
    def invariant(self) -> bool:
        """Whether quarter turns leave the logits as they are: the hypothesis of Lemma 1 and Theorem 1."""
        return self.layers[-1].error <= EXACT

    @property
    def symmetric(self) -> bool:
        """Whether it has a layer over a group of turns."""
        return any(layer.grouped for layer in self.layers)


def measure_model(
    info: ModelInfo,
    model: nn.Module,
    x: Float[Tensor, "n c s s"],
    y: Int64[Tensor, " n"],
    *,
    seed: int = 0,
) -> ModelTheory:
    """Everything about one model, as trained and not deployed, on square images in [0, 1] and their labels."""
    start = time.perf_counter()
    layers = tuple(layer_errors(model, x))
    orbit = orbit_spread(model, x, y, seed=seed)
    tangent = tangent_ratio(model, x, seed=seed)
    seconds = time.perf_counter() - start
    return ModelTheory(info=info, layers=layers, orbit=orbit, tangent=tangent, seconds=seconds)
