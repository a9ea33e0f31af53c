"""The probe as a cell: run, stored and resumed like any other."""

from __future__ import annotations

import time

from jaxtyping import Float32, Int64
from torch import Tensor, nn

from bench.engine.cell import Cell
from bench.engine.kind import Kind, Subject
from bench.engine.result import CellResult
from bench.inputs.sources import as_made
from bench.studies.audit.checks import FULL


def measure_probe(
    cell: Cell, model: nn.Module, raw: nn.Module, x: Float32[Tensor, "n c h w"], y: Int64[Tensor, " n"]
) -> CellResult:
    """Runs the probe in the cell's mode; see ``bench.studies.audit.probe.probe``."""
    from bench.studies.audit.probe import probe

    start = time.perf_counter()
    arrays = probe(model, raw, x, y, seed=cell.seed, full=cell.param("mode") == FULL)
    return CellResult(arrays=arrays, seconds=time.perf_counter() - start, gradients=0)


def _measure(cell: Cell, subject: Subject) -> CellResult:
    return measure_probe(cell, *as_made(subject.model, subject.raw()), subject.x, subject.y)


def _gradients(cell: Cell) -> float:
    from bench.studies.audit.probe import most_passes

    return most_passes(cell.count, cell.param("mode") == FULL)


KIND = Kind(measure=_measure, gradients=_gradients)
