"""Section 4.5 of the paper: gradients along scale orbits, and the effect of averaging over scales on their variance.

A network takes images of one size, so the orbit of an image is the image with its content made smaller or larger about
the centre. The section claims no equality; all of it is about sizes and variances.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64
from torch import Tensor, nn

from bench.engine.seeding import seed_of
from bench.studies.theory.gradients import dithered, frozen, lengths, logit_gradient, quotient, top_two

SCALES = (0.5, 2**-0.5, 1.0, 2**0.5, 2.0)
RADIUS = 8 / 255
DRAWS = 8


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ScaleGradients:
    """φ(T_s x), the gradient of the logit of the class predicted for x, at the scales s; in logits per pixel value.

    The mean square and the variance are over images drawn from the L∞ ball of radius 8/255 around x; a variance is
    the mean squared L2 distance from the mean, without bias.

    Attributes:
        scales: the scales s; 1 is among them.
        norms: ‖φ(T_s x)‖₂.
        square, variance: of φ near x.
        mean_square, mean_variance: of the mean of φ(T_s ·) over the scales, near x.
    """

    scales: tuple[float, ...]
    norms: Float64[np.ndarray, "scales n"]
    square: Float64[np.ndarray, " n"]
    variance: Float64[np.ndarray, " n"]
    mean_square: Float64[np.ndarray, " n"]
    mean_variance: Float64[np.ndarray, " n"]

    @property
    def spread(self) -> Float64[np.ndarray, " n"]:
        """(max − min) / mean of the norms over the scales, 0 where all are 0."""
        return quotient(np.ptp(self.norms, axis=0), self.norms.mean(axis=0))

    @property
    def damping(self) -> Float64[np.ndarray, " n"]:
        """The variance of the averaged gradient over that of the gradient."""
        return quotient(self.mean_variance, self.variance)

    @property
    def varying(self) -> Float64[np.ndarray, " n"]:
        """The part of the gradient's mean square that is variance: 0 where it is the same all around x."""
        return quotient(self.variance, self.square)

    @property
    def mean_varying(self) -> Float64[np.ndarray, " n"]:
        """The same of the averaged gradient."""
        return quotient(self.mean_variance, self.mean_square)


def scale_gradients(model: nn.Module, x: Float[Tensor, "n c s s"], *, seed: int = 0) -> ScaleGradients:
    """Norms and variances at every image, dithered, in float32.

    Args:
        model: as trained, not deployed; only read.
        x: square images in [0, 1].
        seed: of the dither and the images around each.
    """
    quick, images = frozen(model, torch.float32), dithered(x.float(), seed)
    classes = top_two(quick, images)[:, 0]

    def gradients(at: Tensor) -> Float[Tensor, "scales n c s s"]:
        return torch.stack([logit_gradient(quick, rescale(at, scale), classes) for scale in SCALES]).double()

    own = SCALES.index(1.0)
    plain, averaged = [], []
    for near in _around(images, seed):
        found = gradients(near)
        plain.append(found[own])
        averaged.append(found.mean(0))
    square, variance = _moments(torch.stack(plain))
    mean_square, mean_variance = _moments(torch.stack(averaged))
    return ScaleGradients(
        scales=SCALES,
        norms=np.stack([lengths(each) for each in gradients(images)]),
        square=square,
        variance=variance,
        mean_square=mean_square,
        mean_variance=mean_variance,
    )


def rescale(x: Float[Tensor, "n c s s"], factor: float) -> Float[Tensor, "n c s s"]:
    """Content ``factor`` times as large about the centre, bilinear, the border repeated; the size stays as it is."""
    if factor == 1:
        return x
    matrix = torch.tensor([[1 / factor, 0, 0], [0, 1 / factor, 0]], dtype=x.dtype, device=x.device)
    grid = F.affine_grid(matrix.expand(len(x), 2, 3), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _around(x: Float[Tensor, "n c s s"], seed: int) -> Float[Tensor, "draws n c s s"]:
    """Images drawn uniformly from the L∞ ball around each; they may leave [0, 1] by its radius."""
    generator = torch.Generator().manual_seed(seed_of("theory neighbours", seed))
    drawn = torch.rand((DRAWS, *x.shape), generator=generator, dtype=torch.float64)
    return x + (RADIUS * (2 * drawn - 1)).to(x)


def _moments(
    drawn: Float[Tensor, "draws n c s s"],
) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """The mean squared length, and the variance without bias."""
    flat = drawn.flatten(2)
    square = flat.square().sum(2).mean(0)
    return square.cpu().numpy(), flat.var(0).sum(1).cpu().numpy()
