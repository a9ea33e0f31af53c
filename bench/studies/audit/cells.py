"""The probe as a cell: run, stored and resumed like any other."""

from __future__ import annotations

import time

from bench.engine.cell import Cell
from bench.engine.kind import Kind, Subject
from bench.engine.result import CellResult
from bench.inputs.foreign import is_folded
from bench.inputs.sources import as_made, deployed
from bench.studies.audit.checks import FULL


def _measure(cell: Cell, subject: Subject) -> CellResult:
    """Runs the probe in the cell's mode; see ``bench.studies.audit.probe.probe``."""
    from bench.studies.audit.probe import probe

    start = time.perf_counter()
    built, x = subject.raw(), subject.x
    equal = subject.model if is_folded(subject.model) else None
    model, raw = as_made(deployed(built, str(x.device)) if equal else subject.model, built)
    arrays = probe(model, raw, x, subject.y, seed=cell.seed, full=cell.param("mode") == FULL, equal=equal)
    return CellResult(arrays=arrays, seconds=time.perf_counter() - start, gradients=0)


def _gradients(cell: Cell) -> float:
    from bench.studies.audit.probe import most_passes

    return most_passes(cell.count, cell.param("mode") == FULL)


KIND = Kind(measure=_measure, gradients=_gradients)
