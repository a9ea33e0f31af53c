"""The probe as a cell: run, stored and resumed like any other."""

from __future__ import annotations

import time

from jaxtyping import Float32, Int64
from torch import Tensor, nn

from bench.audit.checks import FULL
from bench.cell import Cell
from bench.measure import CellResult


def probe_cell(
    cell: Cell, model: nn.Module, raw: nn.Module, x: Float32[Tensor, "n c h w"], y: Int64[Tensor, " n"]
) -> CellResult:
    """Runs the probe in the cell's mode; see ``bench.audit.probe.probe``."""
    from bench.audit.probe import probe

    start = time.perf_counter()
    arrays = probe(model, raw, x, y, seed=cell.seed, full=cell.param("mode") == FULL)
    return CellResult(arrays=arrays, seconds=time.perf_counter() - start, gradients=0)
