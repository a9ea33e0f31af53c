"""The share of all attacks' joint result on a model that each attack finds by itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from bench.attacks import Request
from bench.studies.robustness.results import Curve, ModelResult


@dataclass(frozen=True, slots=True)
class Optimality:
    """One attack on some models, in shares of what all attacks together found.

    Attributes:
        broken: of the images that any attack broke, over the ε grid, those that this one breaks; NaN if nothing was
            broken.
        nearest: of a minimum-norm attack the mean of least distance over its own, image by image, 0 where it found
            nothing; NaN for other attacks, and where no attack found anything.
    """

    broken: float
    nearest: float


def optimality(models: tuple[ModelResult, ...], request: Request) -> Optimality:
    """Of an attack, over all models that met it.

    The least distance of an image is the smallest at which any attack on its model broke it, and only distances up to
    the largest ε count, for the others had no chance beyond.
    """
    own = any_ = 0
    shares: list[Float64[np.ndarray, " found"]] = []
    for model in models:
        curve = next((each for each in model.curves if each.request == request), None)
        if curve is None:
            continue
        right = model.clean.correct
        own += int((~curve.standing[:, right]).sum())
        any_ += int((~model.worst()[:, right]).sum())
        least = np.minimum.reduce([_least(each) for each in model.curves])
        found = right & np.isfinite(least)
        if request.spec.threat == "minimum_norm":
            shares.append(_share(least[found], _least(curve)[found]))
    joined = np.concatenate(shares) if shares else np.zeros(0)
    return Optimality(own / any_ if any_ else np.nan, float(joined.mean()) if joined.size else np.nan)


def _least(curve: Curve) -> Float64[np.ndarray, " n"]:
    """(n,): the smallest distance at which an attack broke each image within the grid; infinite where it did not."""
    reached = ~curve.standing & np.isfinite(curve.distance)
    return np.where(reached, curve.distance, np.inf).min(axis=0)


def _share(least: Float64[np.ndarray, " n"], own: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """least/own, 1 where both are 0."""
    return np.where(own == 0, 1.0, least / np.where(own == 0, 1.0, own))
