"""The measurements of one model."""

from __future__ import annotations

import time
from dataclasses import dataclass

from jaxtyping import Float, Int64
from torch import Tensor, nn

from bench.inputs.model_cost import ModelCost
from bench.inputs.model_info import ModelInfo
from bench.studies.theory.averaged import OrbitAverage, orbit_average
from bench.studies.theory.design import Design
from bench.studies.theory.layers import LayerError, layer_errors
from bench.studies.theory.orbit import OrbitSpread, orbit_spread
from bench.studies.theory.scales import ScaleGradients, scale_gradients
from bench.studies.theory.tangent import TangentRatio, tangent_ratio
from bench.studies.theory.turned import TurnedGradients, turned_gradients

EXACT = 1e-9  # a relative error that is rounding in float64, whatever the depth


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class GradientTheory:
    """The gradient as a vector; ``seconds`` is the wall time of all of it."""

    turned: TurnedGradients
    average: OrbitAverage
    scales: ScaleGradients
    seconds: float


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ModelTheory:
    """One model.

    Attributes:
        info: of the model.
        layers, orbit, tangent: of its layers and the sizes of its gradients.
        seconds: the wall time of these.
        gradients, cost: ``None`` where an older store lacks them.
        design: ``None`` there, and of a module that is not of the zoo.
    """

    info: ModelInfo
    layers: tuple[LayerError, ...]
    orbit: OrbitSpread
    tangent: TangentRatio
    seconds: float
    gradients: GradientTheory | None = None
    cost: ModelCost | None = None
    design: Design | None = None

    @property
    def invariant(self) -> bool:
        """Whether quarter turns do not change the logits: the hypothesis of Lemma 1 and Theorem 1."""
        return self.layers[-1].error <= EXACT

    @property
    def symmetric(self) -> bool:
        """Whether it has a layer over a group of turns."""
        return any(layer.grouped for layer in self.layers)

    @property
    def scaled(self) -> bool:
        """Whether it has a scale branch."""
        return any("scale" in layer.name for layer in self.layers)


def measure_model(
    info: ModelInfo,
    model: nn.Module,
    x: Float[Tensor, "n c s s"],
    y: Int64[Tensor, " n"],
    *,
    seed: int = 0,
) -> ModelTheory:
    """All but the gradients of one model, as trained and not deployed, on square images in [0, 1] and their labels."""
    start = time.perf_counter()
    layers = tuple(layer_errors(model, x))
    orbit = orbit_spread(model, x, y, seed=seed)
    tangent = tangent_ratio(model, x, seed=seed)
    seconds = time.perf_counter() - start
    return ModelTheory(info=info, layers=layers, orbit=orbit, tangent=tangent, seconds=seconds)


def measure_gradients(model: nn.Module, x: Float[Tensor, "n c s s"], *, seed: int = 0) -> GradientTheory:
    """The gradients of one model, as trained and not deployed, on square images in [0, 1]."""
    start = time.perf_counter()
    turned = turned_gradients(model, x, seed=seed)
    average = orbit_average(model, x, seed=seed)
    scales = scale_gradients(model, x, seed=seed)
    return GradientTheory(turned=turned, average=average, scales=scales, seconds=time.perf_counter() - start)
