"""Uniform samples from a ball around an image, cut with the box."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor


def ball(
    generator: np.random.Generator, count: int, dim: int, radius: float, norm: str
) -> Float64[np.ndarray, "{count} {dim}"]:
    """Points uniform in the ball of a norm around 0; the same distribution as ART's ``random_sphere``."""
    if norm == "linf":
        return generator.uniform(-radius, radius, (count, dim))
    if norm == "l2":
        direction = generator.standard_normal((count, dim))
        length = radius * generator.random(count) ** (1 / dim)
        direction *= (length / np.sqrt(np.einsum("nd,nd->n", direction, direction)))[:, None]
        return direction
    # dim coordinates of a point uniform on the simplex of dim + 1, with random signs
    parts = generator.standard_exponential((count, dim))
    total = parts.sum(axis=1) + generator.standard_exponential(count)
    parts *= (radius / total)[:, None]
    parts[generator.random((count, dim), dtype=np.float32) < 0.5] *= -1
    return parts


def around(
    image: Float[Tensor, "c h w"], generator: np.random.Generator, count: int, radius: float, norm: str
) -> Float[Tensor, "count c h w"]:
    """Points of the ball around an image, computed in float64, as float32 and clipped to [0, 1] (as ART does).

    Args:
        image: (c, h, w) in [0, 1].
        generator: where chance comes from.
        count: how many points.
        radius: of the ball, in pixel units.
        norm: ``l2``, ``linf`` or ``l1``.

    Returns:
        (count, c, h, w) on the image's device.
    """
    offsets = ball(generator, count, image.numel(), radius, norm)
    offsets += image.detach().cpu().double().numpy().reshape(1, -1)
    points = offsets.astype(np.float32)
    np.clip(points, 0, 1, out=points)
    return torch.from_numpy(points).reshape(count, *image.shape).to(image.device)
