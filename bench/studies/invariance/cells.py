"""Invariance attacks as cells, one for each batch of images and ε."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from bench.engine.cell import Cell
from bench.engine.judge import ask_again, verify
from bench.engine.kind import Kind, Subject
from bench.engine.result import CellResult
from bench.engine.seeding import seeded
from bench.errors import CellError
from bench.inputs.model_info import ModelInfo
from bench.inputs.sources import Images
from bench.studies.invariance.examples import nearest_labels, nearest_others, towards
from bench.studies.shared.cells import shard_cells

BATCH = 100  # images of a cell, unless another number is given
VERSION = 1  # raised whenever the numbers change


@dataclass(frozen=True, slots=True, kw_only=True)
class InvarianceSetting:
    """The values that two results must share to be compared.

    Attributes:
        dataset, data: name and sha256 of the evaluation split.
        training: sha256 of the training split, whose images are the targets and the proxy.
        n: the first n images of the evaluation split's fixed order are moved.
        radii: ε in L∞, ascending.
        candidates: training images of other classes that each image is moved towards.
        protocol, backend: as in the cells.
        batch: images of a cell.
    """

    dataset: str
    data: str
    training: str
    n: int
    radii: tuple[float, ...]
    candidates: int
    protocol: str
    backend: str
    batch: int = BATCH


def cells_at(setting: InvarianceSetting, model: ModelInfo, eps: float) -> tuple[Cell, ...]:
    """The cells of a model at one ε, one for each batch of images."""
    params = {"candidates": setting.candidates, "training": setting.training}
    found = shard_cells(
        setting, model, kind="invariance", attack="towards", library=f"symbench.invariance=={VERSION}",
        params=params, norm="linf",
    )  # fmt: skip
    return tuple(replace(cell, eps=eps) for cell in found)


def invariance_cells(setting: InvarianceSetting, model: ModelInfo) -> tuple[Cell, ...]:
    """All cells of a model."""
    return tuple(cell for eps in setting.radii for cell in cells_at(setting, model, eps))


def measure_invariance(
    cell: Cell, model: nn.Module, x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"], training: Images
) -> CellResult:
    """Runs a cell.

    Returns:
        Four arrays bool (n,): ``right``, by the model when clean; ``near``, by the proxy when clean; ``changed``, the
        proxy gives another class to one of the moved images; ``invariant``, to one that the model still gives y.
    """
    start, eps = time.perf_counter(), float(cell.eps or 0)
    with seeded(x.device, "judge", cell.key):  # the model may draw random numbers
        aims, there = nearest_others(x, y, training, int(cell.param("candidates") or 0))
        moved = towards(x, aims, eps)
        labels = nearest_labels(moved.flatten(0, 1), training).unflatten(0, moved.shape[:2])
        changed = there & (labels != y[:, None])
        kept = [verify(cell, model, x, y, images.contiguous())[1].right for images in moved.unbind(1)]
        found = {
            "right": ask_again(model, x, y).right,
            "near": nearest_labels(x, training) == y,
            "changed": changed.any(1),
            "invariant": (changed & torch.stack(kept, 1)).any(1),
        }
    arrays = {name: value.cpu().numpy() for name, value in found.items()}
    return CellResult(arrays=arrays, seconds=time.perf_counter() - start, gradients=0)


def _measure(cell: Cell, subject: Subject) -> CellResult:
    training = subject.split("train")
    if training.sha256 != cell.param("training"):
        raise CellError(f"the training images of {cell.dataset!r} have changed since the run began")
    return measure_invariance(cell, subject.model, subject.x, subject.y, training)


KIND = Kind(measure=_measure, divisible=True)
