"""Splits a stored released cell into results as of separate cells, one for each attack and ε."""

from __future__ import annotations

import numpy as np

from bench.attacks import RELEASED_REQUESTS, Request
from bench.engine.cell import Cell
from bench.engine.result import CellResult
from bench.engine.store import Stored
from bench.studies.released.cells import grid_of

_PER_IMAGE = ("standing", "predicted", "margin", "loss", "nonfinite", "distance")
_CLEAN = ("standing", "predicted", "margin", "loss", "nonfinite", "grad_norm", "image")


def as_cells(stored: Stored) -> tuple[Stored, dict[Request, list[Stored]]]:
    """A clean result and, by attack, one for each ε of the grid, with the arrays that such cells have.

    Seconds are the cell's, spread in proportion to the gradient evaluations.
    """
    cell, arrays = stored.cell, stored.result.arrays
    names = [request.attack for request in RELEASED_REQUESTS]
    clean = {name: arrays[f"clean_{name}"] for name in _CLEAN} | {"label": arrays["label"]}
    found = {
        request: [
            _part(
                stored,
                cell.derive(attack=request.attack, params=request.params_at(eps), eps=eps, parent=cell.key),
                _attacked(arrays, names.index(request.attack), e),
                passes=int(dict(request.params).get("steps") or 1) if eps > 0 else 0,
            )
            for e, eps in enumerate(grid_of(cell))
        ]
        for request in RELEASED_REQUESTS
    }
    plain = cell.derive(attack="none", params=(), norm=None, parent=cell.key)
    return _part(stored, plain, clean, passes=1), found


def _part(stored: Stored, cell: Cell, arrays: dict[str, np.ndarray], *, passes: int) -> Stored:
    gradients = passes * cell.count
    seconds = stored.result.seconds * gradients / stored.result.gradients
    result = CellResult(arrays=arrays, seconds=seconds, gradients=gradients)
    return Stored(cell=cell, result=result, provenance=stored.provenance)


def _attacked(arrays: dict[str, np.ndarray], a: int, e: int) -> dict[str, np.ndarray]:
    kept = np.flatnonzero(arrays["image_eps"][a] == e)
    n = len(arrays["label"])
    return {
        **{name: arrays[name][a, e] for name in _PER_IMAGE},
        "attacked": np.ones(n, dtype=bool),
        "projected": np.zeros(n, dtype=bool),
        "silent": np.zeros(n, dtype=bool),
        "image_index": kept,
        "image": arrays["image"][a, kept],
    }
