"""Blurs and warps by scipy.ndimage: images (c, h, w) in [0, 1] in and out, h = w, lengths in pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy import ndimage

Image = Float64[np.ndarray, "c h w"]

_PLANE = (1, 2)


def gaussian_blur(x: Image, rng: np.random.Generator, sigma: float) -> Image:
    return ndimage.gaussian_filter(x, sigma, mode="nearest", axes=_PLANE)


def defocus_blur(x: Image, rng: np.random.Generator, radius: float, soften: float) -> Image:
    """Spread over a disk whose edge a Gaussian of 3×3 pixels softens."""
    reach = int(radius) + 1
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disk = (rows**2 + columns**2 <= radius**2).astype(np.float64)
    kernel = ndimage.gaussian_filter(disk / disk.sum(), soften, mode="constant", radius=1)
    return ndimage.correlate(x, kernel[None], mode="mirror")


def glass_blur(x: Image, rng: np.random.Generator, sigma: float, rounds: int) -> Image:
    """Pixels change places with one above, left of, or above and left of them, between two slight blurs."""
    blurred = gaussian_blur(x, rng, sigma)
    size = x.shape[-1]
    inner = [row * size + column for row in range(size - 1, 1, -1) for column in range(size - 1, 1, -1)]
    places = list(range(size * size))
    for _ in range(rounds):
        steps = (rng.integers(-1, 1, (len(inner), 2)) @ (size, 1)).tolist()
        for here, step in zip(inner, steps, strict=True):
            there = here + step
            places[here], places[there] = places[there], places[here]
    shuffled = blurred.reshape(len(x), -1)[:, places].reshape(x.shape)
    return gaussian_blur(shuffled, rng, sigma)


def motion_blur(
    x: Image, rng: np.random.Generator, radius: int, sigma: float, angles: tuple[float, float] = (-45, 45)
) -> Image:
    """The weighted mean of 2·radius + 1 pixels, from each one along a line at a random angle.

    The weights are those of half a Gaussian: as ImageMagick's motion blur, the blur trails to one side, its
    places are rounded to whole pixels, and beyond the edge the pixels of the edge go on.

    Args:
        x, rng: as everywhere.
        radius, sigma: in pixels.
        angles: in degrees, the line's angle is uniform between them.
    """
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    angle = np.deg2rad(rng.uniform(*angles))
    down, right = (np.ceil(steps * part - 0.5).astype(int) for part in (np.sin(angle), np.cos(angle)))
    reach, size = 2 * radius + 1, x.shape[-1]
    padded = np.pad(x, ((0, 0), (reach, reach), (reach, reach)), mode="edge")
    total = np.zeros_like(x)
    for weight, row, column in zip(weights / weights.sum(), reach + down, reach + right, strict=True):
        total += weight * padded[:, row : row + size, column : column + size]
    return total


def zoom_blur(x: Image, rng: np.random.Generator, steps: int) -> Image:
    """The mean of the image and its magnifications about the centre by 1, 1.01, … 1 + (steps − 1) / 100."""
    centre = (x.shape[-1] - 1) / 2
    total = x.copy()
    for step in range(steps):
        scale = 100 / (100 + step)
        offset: Any = (0, centre * (1 - scale), centre * (1 - scale))
        total += ndimage.affine_transform(x, (1, scale, scale), offset, order=1, mode="nearest")
    return total / (steps + 1)


def elastic_transform(
    x: Image, rng: np.random.Generator, shift: float, smoothness: float, corner: float
) -> Image:
    """A random affine map, then random displacements of neighbours alike; lengths as shares of the side.

    Args:
        x, rng: as everywhere.
        shift: displacements are uniform in ± this before they are smoothed.
        smoothness: σ of the Gaussian that smooths them.
        corner: each of the three corners that fix the affine map moves by up to this.
    """
    size = x.shape[-1]
    third = size // 3
    corners = size // 2 + np.array([[third, third], [third, -third], [-third, -third]], dtype=np.float64)
    moved = corners + rng.uniform(-corner * size, corner * size, corners.shape)
    affine = np.linalg.solve(np.c_[corners, np.ones(3)], moved)  # (row, column, 1) → where it is taken from
    noise = rng.uniform(-1, 1, (2, size, size))
    displaced = ndimage.gaussian_filter(noise, smoothness * size, mode="reflect", truncate=3, axes=_PLANE)
    rows, columns = np.mgrid[:size, :size] + shift * size * displaced
    places = np.stack([rows, columns, np.ones_like(rows)], axis=-1) @ affine
    return np.stack(
        [ndimage.map_coordinates(plane, np.moveaxis(places, -1, 0), order=1, mode="mirror") for plane in x]
    )
