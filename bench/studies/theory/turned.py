"""Lemmas 3 and 4 (the paper's secs. 4.3, 4.4): gradients at turned images against the turned gradients.

Where turns leave the logits as they are, ∇z(g·x) = g·∇z(x): the gradient itself turns with the image, not only its norm
is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from bench.studies.theory.gradients import (
    TURNS,
    dithered,
    frozen,
    jacobian,
    lengths,
    margin_gradient,
    orbit_of,
    quotient,
    top_two,
)
from bench.studies.theory.orbit import JACOBIANS


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TurnedGradients:
    """Relative errors at the turns by 90°, 180° and 270°, a row a turn; 2 at most for vectors of one length.

    Attributes:
        margin: ‖∇m(g·x) − g·∇m(x)‖₂ / ‖∇m(x)‖₂, m = z_c − z_j, c the class predicted for x and j its runner-up.
        jacobian: the same of the gradients of all logits together, for the first m images.
    """

    margin: Float64[np.ndarray, "3 n"]
    jacobian: Float64[np.ndarray, "3 m"]

    def worst(self, of: str = "margin") -> Float64[np.ndarray, " n"]:
        """The largest error over the turns, of ``margin`` or ``jacobian``."""
        return getattr(self, of).max(axis=0)


def turned_gradients(model: nn.Module, x: Float[Tensor, "n c s s"], *, seed: int = 0) -> TurnedGradients:
    """The errors at every image, dithered, in float64.

    Args:
        model: as trained, not deployed; only read.
        x: square images in [0, 1].
        seed: of the dither.
    """
    exact, images = frozen(model, torch.float64), dithered(x.double(), seed)
    classes = top_two(exact, images)
    _, margins = margin_gradient(exact, orbit_of(images), classes.repeat(TURNS, 1))
    few = orbit_of(images[:JACOBIANS])
    logits = jacobian(exact, few)
    return TurnedGradients(
        margin=_errors(margins), jacobian=_errors(logits.unflatten(2, few.shape[1:]).flatten(1, 2))
    )


def _errors(gradients: Float[Tensor, "turned c s s"]) -> Float64[np.ndarray, "3 n"]:
    here, *there = gradients.chunk(TURNS)
    moved = [found - torch.rot90(here, turn, (-2, -1)) for turn, found in enumerate(there, 1)]
    return np.stack([quotient(lengths(each), lengths(here)) for each in moved])
