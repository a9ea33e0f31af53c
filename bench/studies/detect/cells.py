"""Detection as cells, one for each model and ε: all images at once, for the detector is made of some of them."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from bench.engine.cell import Cell
from bench.engine.judge import verify
from bench.engine.kind import Kind, Subject
from bench.engine.result import CellResult
from bench.engine.seeding import seeded
from bench.inputs.model_info import ModelInfo
from bench.studies.detect import attack
from bench.studies.detect.detector import Detector, calibrated
from bench.studies.shared.cells import shard_cells

VERSION = 1  # raised whenever the numbers change


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectSetting:
    """The values that two results must share to be compared.

    Attributes:
        dataset, data: name and sha256 of the evaluation split.
        n: the first n images of its fixed order are measured.
        calibration: images after them that the detector is made of.
        radii: ε in L∞, ascending.
        steps: of each try of an attack.
        false_positives: share of clean images that may be flagged.
        seed: of the random starts.
        protocol, backend: as in the cells.
    """

    dataset: str
    data: str
    n: int
    calibration: int
    radii: tuple[float, ...]
    steps: int
    false_positives: float
    seed: int
    protocol: str
    backend: str

    @property
    def batch(self) -> int:
        """Images of a cell: those that are measured, and those of the calibration."""
        return self.n + self.calibration


def detect_cells(setting: DetectSetting, model: ModelInfo) -> tuple[Cell, ...]:
    """The cells of a model, one for each ε."""
    params = {
        "calibration": setting.calibration, "steps": setting.steps, "false_positives": setting.false_positives,
    }  # fmt: skip
    (cell,) = shard_cells(
        replace(setting, n=setting.batch), model, kind="detect", attack="layers",
        library=f"symbench.detect=={VERSION}", params=params, norm="linf", seed=setting.seed,
    )  # fmt: skip
    return tuple(replace(cell, eps=eps) for eps in setting.radii)


def measure_detection(
    cell: Cell, model: nn.Module, x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"]
) -> CellResult:
    """Runs a cell.

    Returns:
        For clean images and for both attacks ``wrong`` and ``flagged``, bool (n,), and ``score``, float32 (n,), as
        ``clean_wrong``, ``plain_score``, ``adaptive_flagged`` and so on. Images of the calibration are left out.
    """
    start, steps = time.perf_counter(), int(cell.param("steps") or 0)
    n, eps = len(x) - int(cell.param("calibration") or 0), float(cell.eps or 0)
    with seeded(x.device, "detect", cell.key):
        detector = calibrated(model, x[n:], float(cell.param("false_positives") or 0))
        x, y = x[:n], y[:n]
        proposed = {
            "clean": x,
            "plain": attack.plain(model, x, y, eps, steps),
            "adaptive": attack.adaptive(model, detector, x, y, eps, steps),
        }
        arrays: dict[str, np.ndarray] = {}
        for name, images in proposed.items():
            arrays |= _judged(cell, model, detector, x, y, name, images)
    gradients = n * steps * attack.GRADIENTS
    return CellResult(arrays=arrays, seconds=time.perf_counter() - start, gradients=gradients)


@torch.no_grad()
def _judged(
    cell: Cell, model: nn.Module, detector: Detector, x: Tensor, y: Tensor, name: str, images: Tensor
) -> dict[str, np.ndarray]:
    images, verdict = verify(cell, model, x, y, images)
    _, score = detector.ask(model, images)
    return {
        f"{name}_wrong": (~verdict.right).cpu().numpy(),
        f"{name}_flagged": (~(score <= detector.threshold)).cpu().numpy(),
        f"{name}_score": score.float().cpu().numpy(),
    }


def _measure(cell: Cell, subject: Subject) -> CellResult:
    return measure_detection(cell, subject.model, subject.x, subject.y)


KIND = Kind(
    measure=_measure,
    gradients=lambda cell: cell.count * int(cell.param("steps") or 0) * attack.GRADIENTS,
)
