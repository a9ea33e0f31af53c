"""The theory of a model as a cell: all its images at once, for a layer's error is the largest over them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from bench.engine.cell import Cell
from bench.engine.kind import Kind, Subject
from bench.engine.result import CellResult
from bench.inputs.model_info import ModelInfo
from bench.studies.theory.layers import LayerError
from bench.studies.theory.measured import ModelTheory, measure_model
from bench.studies.theory.orbit import OrbitSpread
from bench.studies.theory.tangent import TangentRatio

VERSION = 1  # raised whenever the numbers change
_ORBIT = ("right", "kept", "margin", "stored", "jacobian")


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


def theory_cell(setting: TheorySetting, model: ModelInfo) -> Cell:
    """The one cell of a model."""
    return Cell(
        kind="theory",
        model=model.name,
        weights=model.weights,
        dataset=setting.dataset,
        data=setting.data,
        first=0,
        count=setting.n,
        attack="theory",
        library=f"symbench.theory=={VERSION}",
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


def theory_of(info: ModelInfo, result: CellResult) -> ModelTheory:
    """The theory of a model that a cell holds."""
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
    )


def _measure(cell: Cell, subject: Subject) -> CellResult:
    """Runs a cell on the model as trained, for deployment folds the layers that are looked at."""
    info = ModelInfo(name=cell.model, weights=cell.weights, trained_on="", parameters=0, origin="")
    model = subject.model.requires_grad_(False).eval()
    found = measure_model(info, model, subject.x, subject.y, seed=cell.seed)
    return CellResult(arrays=arrays_of(found), seconds=found.seconds, gradients=0)


KIND = Kind(measure=_measure, deployed=False)
