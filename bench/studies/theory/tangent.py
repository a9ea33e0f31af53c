"""A proxy for Theorem 2 (the paper's sec. 4.4): gradient change along small rotations and across them.

The theorem splits a perturbation into a part in the orbit's tangent space and one orthogonal to it. Orbits of the group
of quarter turns are four points and have no tangent space, so the theorem cannot be measured. Small rotations are the
closest substitute; they are not in the group, so measurements along them neither confirm nor refute the theorem.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64
from torch import Tensor, nn

from bench.engine.seeding import seed_of
from bench.studies.theory.gradients import dithered, frozen, lengths, margin_gradient, quotient, top_two

ANGLES = (1.0, 2.0, 5.0)
DIRECTIONS = 4


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TangentRatio:
    """Changes of the margin's gradient, in logits per unit of pixel value; arrays are (angles, n).

    Attributes:
        angles: in degrees.
        along: ‖∇g(R_θ x) − ∇g(x)‖₂.
        across: the mean of ‖∇g(x + δ) − ∇g(x)‖₂ over random δ orthogonal to R_θ x − x and as long.
    """

    angles: tuple[float, ...]
    along: Float64[np.ndarray, "angles n"]
    across: Float64[np.ndarray, "angles n"]

    @property
    def ratio(self) -> Float64[np.ndarray, "angles n"]:
        """along / across; 0 where neither changes the gradient, +∞ where across alone does not."""
        return quotient(self.along, self.across)

    @property
    def still(self) -> int:
        """How many (angle, image) pairs changed the gradient neither way; their ratio of 0 means nothing."""
        return int(((self.along == 0) & (self.across == 0)).sum())


def tangent_ratio(
    model: nn.Module,
    x: Float[Tensor, "n c s s"],
    angles: Sequence[float] = ANGLES,
    *,
    directions: int = DIRECTIONS,
    seed: int = 0,
) -> TangentRatio:
    """The proxy for every angle and image, at dithered images, in float32.

    x + δ may leave [0, 1] by a little: clipping it would break the orthogonality, and the theorem has no box.

    Args:
        model: as trained, not deployed; only read.
        x: square images in [0, 1].
        angles: in degrees.
        directions: random δ for each angle and image.
        seed: of the dither and the directions.
    """
    quick = frozen(model, torch.float32)
    images = dithered(x.float(), seed)
    classes = top_two(quick, images)

    def gradient(at: Tensor) -> Tensor:
        return margin_gradient(quick, at, classes)[1].double()

    here = gradient(images)
    along, across = [], []
    for angle in angles:
        turned = rotate(images, angle)
        generator = torch.Generator().manual_seed(seed_of("theory directions", seed, float(angle)))
        others = orthogonal(turned.double() - images.double(), directions, generator)
        changes = [lengths(gradient((images + other).float()) - here) for other in others]
        along.append(lengths(gradient(turned) - here))
        across.append(np.mean(changes, axis=0))
    return TangentRatio(angles=tuple(map(float, angles)), along=np.stack(along), across=np.stack(across))


def rotate(x: Float[Tensor, "n c s s"], degrees: float) -> Float[Tensor, "n c s s"]:
    """Images turned counter-clockwise about their centre, bilinear, the border repeated; stays in [0, 1]."""
    angle = math.radians(degrees)
    matrix = [[math.cos(angle), -math.sin(angle), 0.0], [math.sin(angle), math.cos(angle), 0.0]]
    maps = torch.tensor(matrix, dtype=x.dtype, device=x.device).expand(len(x), 2, 3)
    grid = F.affine_grid(maps, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False).clamp(0, 1)


def orthogonal(
    displacement: Float[Tensor, "n c h w"], count: int, generator: torch.Generator
) -> Float[Tensor, "count n c h w"]:
    """Random directions, uniform among those orthogonal to each image's displacement and as long as it."""
    shape = (count, *displacement.shape)
    drawn = torch.randn(shape, generator=generator, dtype=torch.float64).to(displacement).flatten(2)
    flat = displacement.flatten(1)
    length = flat.norm(dim=1, keepdim=True)
    unit = flat / length.clamp_min(torch.finfo(flat.dtype).tiny)
    for _ in range(2):  # the second time removes the rest that rounding left
        drawn = drawn - (drawn * unit).sum(2, keepdim=True) * unit
    return (drawn * (length / drawn.norm(dim=2, keepdim=True))).reshape(shape)
