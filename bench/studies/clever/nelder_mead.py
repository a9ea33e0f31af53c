"""Nelder & Mead's simplex method on many small problems at once.

The rules, coefficients and tolerances are those of ``scipy.optimize.fmin``, so each problem takes the path
it would take there; together they cost little more than one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float64, Int64

# (points (q, k), problems (q,) they belong to) → values (q,); +∞ where a point is not allowed, never NaN
Objective = Callable[[Float64[np.ndarray, "q k"], Int64[np.ndarray, " q"]], Float64[np.ndarray, " q"]]

TOLERANCE = 1e-4
CALLS = 200  # evaluations allowed, times the number of parameters


def minimise(objective: Objective, start: Float64[np.ndarray, "p k"]) -> Float64[np.ndarray, "p k"]:
    """The best point of every problem's simplex when it has shrunk to 1e-4, or after 200·k evaluations.

    Args:
        objective: values of points, each of the problem named beside it.
        start: a first point for each problem, (p, k).
    """
    p, k = start.shape
    simplex = np.repeat(start[:, None], k + 1, axis=1)  # (p, k + 1, k)
    axis = np.arange(k)
    simplex[:, axis + 1, axis] = np.where(start != 0, 1.05 * start, 0.00025)
    values = objective(simplex.reshape(-1, k), np.repeat(np.arange(p), k + 1)).reshape(p, k + 1)
    calls = np.full(p, k + 1)
    while True:
        _sort(simplex, values)
        active = ((calls < CALLS * k) & ~_converged(simplex, values)).nonzero()[0]
        if len(active) == 0:
            return simplex[:, 0]
        calls[active] += _step(objective, simplex, values, active)


def _sort(simplex: np.ndarray, values: np.ndarray) -> None:
    order = values.argsort(axis=1, kind="stable")
    values[:] = np.take_along_axis(values, order, axis=1)
    simplex[:] = np.take_along_axis(simplex, order[:, :, None], axis=1)


def _converged(simplex: np.ndarray, values: np.ndarray) -> np.ndarray:
    near = np.abs(simplex[:, 1:] - simplex[:, :1]).max(axis=(1, 2)) <= TOLERANCE
    flat = np.asarray(np.isfinite(values).all(axis=1))  # ∞ − ∞ would be no number
    flat[flat] = (values[flat, -1] - values[flat, 0]) <= TOLERANCE
    return near & flat


def _step(objective: Objective, simplex: np.ndarray, values: np.ndarray, active: np.ndarray) -> np.ndarray:
    """One reflection, then expansion, contraction or shrinking where it is due; evaluations used."""
    centre, worst = simplex[active, :-1].mean(axis=1), simplex[active, -1]
    best_value, next_value, worst_value = values[active, 0], values[active, -2], values[active, -1]
    point = 2 * centre - worst
    value = objective(point, active)
    expand = value < best_value
    outside = (value >= next_value) & (value < worst_value)
    inside = value >= worst_value
    other = np.select(
        [expand[:, None], outside[:, None]],
        [3 * centre - 2 * worst, 1.5 * centre - 0.5 * worst],
        (centre + worst) / 2,
    )
    tried = expand | outside | inside
    other_value = np.full(len(active), np.inf)
    other_value[tried] = objective(other[tried], active[tried])
    better = (
        (expand & (other_value < value))
        | (outside & (other_value <= value))
        | (inside & (other_value < worst_value))
    )
    shrunk = (outside | inside) & ~better
    simplex[active, -1] = np.where(better[:, None], other, np.where(shrunk[:, None], worst, point))
    values[active, -1] = np.where(better, other_value, np.where(shrunk, worst_value, value))
    used = 1 + tried
    if shrunk.any():
        _shrink(objective, simplex, values, active[shrunk])
        used[shrunk] += simplex.shape[2]
    return used


def _shrink(objective: Objective, simplex: np.ndarray, values: np.ndarray, which: np.ndarray) -> None:
    k = simplex.shape[2]
    moved = (simplex[which, 1:] + simplex[which, :1]) / 2
    simplex[which, 1:] = moved
    values[which, 1:] = objective(moved.reshape(-1, k), which.repeat(k)).reshape(-1, k)
