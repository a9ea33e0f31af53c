"""Lemmas 1 and 2 and Theorem 1 (the paper's secs. 4.2, 4.3): values that should not change when an image is turned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor, nn

from bench.studies.theory.gradients import (
    TURNS,
    dithered,
    frozen,
    jacobian,
    margin_gradient,
    orbit_of,
    top_two,
)

NORMS = ("l2", "l1", "linf")
JACOBIANS = 10  # images; one backward pass a class and turn


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class OrbitSpread:
    """Each image at its four quarter turns; arrays are (4, n), float64, entry 0 unturned.

    The margin is z_c − z_j, c the class predicted for the unturned image and j its runner-up, in logits;
    gradients are in logits per unit of pixel value.

    Attributes:
        right: (n,) whether c is the label.
        kept: (n,) whether c is predicted at all four turns.
        margin: of the dithered image.
        norms: by norm ``l2``, ``l1``, ``linf``, that of the margin's gradient, at the dithered image.
        stored: its L2 norm at the image as it is, where ties under max poolings may have no gradient.
        jacobian: (4, m) largest singular value of the logits' Jacobian, for the first m images, dithered.
    """

    right: Bool[np.ndarray, " n"]
    kept: Bool[np.ndarray, " n"]
    margin: Float64[np.ndarray, "4 n"]
    norms: dict[str, Float64[np.ndarray, "4 n"]]
    stored: Float64[np.ndarray, "4 n"]
    jacobian: Float64[np.ndarray, "4 m"]

    def spread(self, of: str = "l2") -> Float64[np.ndarray, " n"]:
        """(max − min) / mean over the turns, 0 where all are 0, of a norm, ``stored`` or ``jacobian``."""
        values = self.norms[of] if of in self.norms else getattr(self, of)
        mean = values.mean(axis=0)
        return np.divide(np.ptp(values, axis=0), mean, out=np.zeros_like(mean), where=mean > 0)

    @property
    def margin_spread(self) -> Float64[np.ndarray, " n"]:
        """Max − min of the margin over the turns, in units of the mean |margin| of all images and turns."""
        mean = np.abs(self.margin).mean()
        return np.ptp(self.margin, axis=0) / (mean or 1.0)


def orbit_spread(
    model: nn.Module, x: Float[Tensor, "n c s s"], y: Int64[Tensor, " n"], *, seed: int = 0
) -> OrbitSpread:
    """Margins and the sizes of their gradients over the orbit of every image under quarter turns, in float64.

    Args:
        model: as trained, not deployed; only read.
        x: square images in [0, 1].
        y: their labels.
        seed: of the dither.
    """
    exact, images = frozen(model, torch.float64), x.double()
    apart = dithered(images, seed)
    classes = top_two(exact, apart)
    turned = orbit_of(apart)
    margin, gradient = margin_gradient(exact, turned, classes.repeat(TURNS, 1))
    _, stored = margin_gradient(exact, orbit_of(images), top_two(exact, images).repeat(TURNS, 1))
    predicted = top_two(exact, turned)[:, 0].reshape(TURNS, -1)
    orders = zip(NORMS, (2, 1, float("inf")), strict=True)
    return OrbitSpread(
        right=(classes[:, 0] == y).cpu().numpy(),
        kept=(predicted == classes[:, 0]).all(0).cpu().numpy(),
        margin=_by_turn(margin),
        norms={name: _by_turn(gradient.flatten(1).norm(p, dim=1)) for name, p in orders},
        stored=_by_turn(stored.flatten(1).norm(dim=1)),
        jacobian=_by_turn(_largest_singular_values(exact, orbit_of(apart[:JACOBIANS]))),
    )


def _by_turn(values: Float[Tensor, " turned"]) -> Float64[np.ndarray, "4 n"]:
    return values.reshape(TURNS, -1).cpu().numpy()


def _largest_singular_values(model: nn.Module, x: Float[Tensor, "n c s s"]) -> Float[Tensor, " n"]:
    return torch.linalg.matrix_norm(jacobian(model, x), ord=2)
