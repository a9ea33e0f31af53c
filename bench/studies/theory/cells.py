"""The theory of a model as two cells: all its images at once, for a layer's error is the largest over them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

import numpy as np
from torch import Tensor, nn

from bench.engine.cell import Cell
from bench.engine.kind import Kind, Subject
from bench.engine.result import CellResult
from bench.inputs.model_info import ModelInfo
from bench.studies.theory.averaged import OrbitAverage
from bench.studies.theory.layers import LayerError
from bench.studies.theory.measured import GradientTheory, ModelTheory, measure_gradients, measure_model
from bench.studies.theory.orbit import OrbitSpread
from bench.studies.theory.scales import ScaleGradients
from bench.studies.theory.tangent import TangentRatio
from bench.studies.theory.turned import TurnedGradients

PartT = TypeVar("PartT", TurnedGradients, OrbitAverage, ScaleGradients)

THEORY, GRADIENTS = "theory", "gradients"
VERSIONS = {  # raised whenever the numbers change
    THEORY: "symbench.theory==1",
    GRADIENTS: "symbench.theory.gradients==1",
}
_ORBIT = ("right", "kept", "margin", "stored", "jacobian")
_TUPLES = ("steps", "scales")


@dataclass(frozen=True, slots=True, kw_only=True)
class TheorySetting:
    """What two results must share to be compared.

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


def theory_cells(setting: TheorySetting, model: ModelInfo) -> tuple[Cell, Cell]:
    """The cells of a model: of all but its gradients as vectors, and of these."""
    return _cell(setting, model, THEORY), _cell(setting, model, GRADIENTS)


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


def theory_of(info: ModelInfo, result: CellResult, gradients: CellResult | None = None) -> ModelTheory:
    """The theory of a model that its cells hold; older stores have no cell of gradients."""
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
    )


def _gradients_of(result: CellResult) -> GradientTheory:
    return GradientTheory(
        turned=_part(TurnedGradients, "turned", result),
        average=_part(OrbitAverage, "average", result),
        scales=_part(ScaleGradients, "scales", result),
        seconds=result.seconds,
    )


def _part(kind: type[PartT], name: str, result: CellResult) -> PartT:
    """A dataclass of arrays; ``steps`` and ``scales`` are tuples of numbers."""
    found: dict[str, Any] = {field.name: result.arrays[f"{name}.{field.name}"] for field in fields(kind)}
    return kind(**{key: tuple(each.tolist()) if key in _TUPLES else each for key, each in found.items()})


def _measure(cell: Cell, subject: Subject) -> CellResult:
    """Runs a cell on the model as trained, for deployment folds the layers that are looked at."""
    return MEASURES[cell.attack](subject.model.requires_grad_(False).eval(), subject.x, subject.y, cell.seed)


def _measure_theory(model: nn.Module, x: Tensor, y: Tensor, seed: int = 0) -> CellResult:
    info = ModelInfo(name="", weights="", trained_on="", parameters=0, origin="")
    found = measure_model(info, model, x, y, seed=seed)
    return CellResult(arrays=arrays_of(found), seconds=found.seconds, gradients=0)


def _measure_gradients(model: nn.Module, x: Tensor, y: Tensor, seed: int = 0) -> CellResult:
    found = measure_gradients(model, x, seed=seed)
    return CellResult(arrays=arrays_of_gradients(found), seconds=found.seconds, gradients=0)


MEASURES: dict[str, Callable[..., CellResult]] = {THEORY: _measure_theory, GRADIENTS: _measure_gradients}
KIND = Kind(measure=_measure, deployed=False)
