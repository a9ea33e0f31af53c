"""The theory of a model as cells: all its images at once, as a layer's error is the largest over them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from bench.engine.cell import Cell
from bench.engine.kind import Kind, Subject
from bench.engine.result import CellResult
from bench.inputs.model_cost import ModelCost, PassCost, model_cost
from bench.inputs.model_info import ModelInfo
from bench.studies.theory.averaged import OrbitAverage
from bench.studies.theory.design import as_arrays, design_of, from_arrays
from bench.studies.theory.gradients import frozen
from bench.studies.theory.layers import LayerError
from bench.studies.theory.measured import GradientTheory, ModelTheory, measure_gradients, measure_model
from bench.studies.theory.orbit import OrbitSpread
from bench.studies.theory.scales import ScaleGradients
from bench.studies.theory.tangent import TangentRatio
from bench.studies.theory.turned import TurnedGradients

PartT = TypeVar("PartT", TurnedGradients, OrbitAverage, ScaleGradients)

THEORY, GRADIENTS, DESIGN = "theory", "gradients", "design"
VERSIONS = {  # raised whenever the numbers change
    THEORY: "symbench.theory==1",
    GRADIENTS: "symbench.theory.gradients==1",
    DESIGN: "symbench.theory.design==1",
}
_ORBIT = ("right", "kept", "margin", "stored", "jacobian")
_COSTS = ("multiply_adds", "memory", "seconds")  # of the forward and the backward pass
_TUPLES = frozenset(("steps", "scales"))


@dataclass(frozen=True, slots=True, kw_only=True)
class TheorySetting:
    """The values that two results must share to be compared.

    Attributes:
        dataset, data: name and sha256 of the evaluation split.
        n: the first n images of its fixed order are measured.
        seed: of dither, random directions and bootstrap.
        protocol, backend: as in the cells.
    """

    dataset: str
    data: str
    n: int
    seed: int
    protocol: str
    backend: str


def theory_cells(setting: TheorySetting, model: ModelInfo) -> tuple[Cell, Cell, Cell]:
    """The cells of a model: layers and sizes of gradients, gradients as vectors, and the design with its cost."""
    first, gradients = (_cell(setting, model, part) for part in (THEORY, GRADIENTS))
    return first, gradients, _cell(replace(setting, n=1, seed=0), model, DESIGN)


def _cell(setting: TheorySetting, model: ModelInfo, part: str) -> Cell:
    return Cell(
        kind="theory",
        model=model.name,
        weights=model.weights,
        dataset=setting.dataset,
        data=setting.data,
        first=0,
        count=setting.n,
        attack=part,
        library=VERSIONS[part],
        params=(),
        norm=None,
        eps=None,
        seed=setting.seed,
        protocol=setting.protocol,
        backend=setting.backend,
        parent=None,
    )


def arrays_of(found: ModelTheory) -> dict[str, np.ndarray]:
    """A model's theory as arrays; the layers are JSON text in UTF-8."""
    layers = json.dumps([asdict(layer) for layer in found.layers]).encode()
    return {
        "layers": np.frombuffer(layers, dtype=np.uint8),
        **{name: getattr(found.orbit, name) for name in _ORBIT},
        **{f"norm_{name}": values for name, values in found.orbit.norms.items()},
        "angles": np.asarray(found.tangent.angles, dtype=np.float64),
        "along": found.tangent.along,
        "across": found.tangent.across,
    }


def arrays_of_gradients(found: GradientTheory) -> dict[str, np.ndarray]:
    """A model's gradients as arrays, each under the name of its part and its own."""
    parts = {"turned": found.turned, "average": found.average, "scales": found.scales}
    return {
        f"{name}.{field.name}": np.asarray(getattr(part, field.name), dtype=np.float64)
        for name, part in parts.items()
        for field in fields(part)
    }


def theory_of(
    info: ModelInfo,
    result: CellResult,
    gradients: CellResult | None = None,
    design: CellResult | None = None,
) -> ModelTheory:
    """The theory of a model from its cells; older stores have only the first."""
    arrays: Mapping[str, np.ndarray] = result.arrays
    norms = {name.removeprefix("norm_"): each for name, each in arrays.items() if name.startswith("norm_")}
    return ModelTheory(
        info=info,
        layers=tuple(LayerError(**each) for each in json.loads(arrays["layers"].tobytes())),
        orbit=OrbitSpread(**{name: arrays[name] for name in _ORBIT}, norms=norms),
        tangent=TangentRatio(
            angles=tuple(arrays["angles"].tolist()), along=arrays["along"], across=arrays["across"]
        ),
        seconds=result.seconds,
        gradients=_gradients_of(gradients) if gradients else None,
        cost=_cost_of(design) if design else None,
        design=from_arrays(design.arrays) if design and "parts" in design.arrays else None,
    )


def _gradients_of(result: CellResult) -> GradientTheory:
    return GradientTheory(
        turned=_part(TurnedGradients, "turned", result),
        average=_part(OrbitAverage, "average", result),
        scales=_part(ScaleGradients, "scales", result),
        seconds=result.seconds,
    )


def _cost_of(result: CellResult) -> ModelCost:
    forward, backward = (
        PassCost(multiply_adds=int(count), memory=int(memory), seconds=float(seconds))
        for count, memory, seconds in zip(*(result.arrays[name] for name in _COSTS), strict=True)
    )
    return ModelCost(forward=forward, backward=backward)


def _part(kind: type[PartT], name: str, result: CellResult) -> PartT:
    """A dataclass of arrays; ``steps`` and ``scales`` are tuples of numbers."""
    found: dict[str, Any] = {field.name: result.arrays[f"{name}.{field.name}"] for field in fields(kind)}
    for key in _TUPLES & found.keys():
        found[key] = tuple(found[key].tolist())
    return kind(**found)


def _measure(cell: Cell, subject: Subject) -> CellResult:
    """Runs a cell on the model as trained, as deployment folds the measured layers."""
    return MEASURES[cell.attack](subject.model.requires_grad_(False).eval(), subject.x, subject.y, cell.seed)


def _measure_theory(model: nn.Module, x: Tensor, y: Tensor, seed: int = 0) -> CellResult:
    info = ModelInfo(name="", weights="", trained_on="", parameters=0, origin="")
    found = measure_model(info, model, x, y, seed=seed)
    return CellResult(arrays=arrays_of(found), seconds=found.seconds, gradients=0)


def _measure_gradients(model: nn.Module, x: Tensor, y: Tensor, seed: int = 0) -> CellResult:
    found = measure_gradients(model, x, seed=seed)
    return CellResult(arrays=arrays_of_gradients(found), seconds=found.seconds, gradients=0)


def _measure_design(model: nn.Module, x: Tensor, y: Tensor, seed: int = 0) -> CellResult:
    start = time.perf_counter()
    found = model_cost(frozen(model, torch.float32), x)
    design = design_of(model, x)
    arrays = {
        name: np.array([getattr(each, name) for each in (found.forward, found.backward)]) for name in _COSTS
    }
    arrays |= as_arrays(design) if design else {}
    return CellResult(arrays=arrays, seconds=time.perf_counter() - start, gradients=0)


MEASURES: dict[str, Callable[..., CellResult]] = {
    THEORY: _measure_theory,
    GRADIENTS: _measure_gradients,
    DESIGN: _measure_design,
}
KIND = Kind(measure=_measure, deployed=False)
