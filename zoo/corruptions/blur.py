"""Blurs and warps by scipy.ndimage: images (c, h, w) in [0, 1] in and out, lengths in pixels."""

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
    """Spread over a disk whose edge a Gaussian softens, of 3×3 pixels, or of 5×5 beyond a radius of 8."""
    border = 1 if radius <= 8 else 2
    reach = int(radius) + border
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disk = (rows**2 + columns**2 <= radius**2).astype(np.float64)
    kernel = ndimage.gaussian_filter(disk / disk.sum(), soften, mode="constant", radius=border)
    return ndimage.correlate(x, kernel[None], mode="mirror")


def glass_blur(x: Image, rng: np.random.Generator, sigma: float, reach: int, rounds: int) -> Image:
    """Pixels change places with one up to `reach` above or left, or less below or right, between two blurs."""
    blurred = gaussian_blur(x, rng, sigma)
    height, width = x.shape[1:]
    rows, columns = (range(side - reach, reach, -1) for side in (height, width))
    inner = [row * width + column for row in rows for column in columns]
    places = list(range(height * width))
    for _ in range(rounds):
        steps = (rng.integers(-reach, reach, (len(inner), 2)) @ (width, 1)).tolist()
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
    reach, (height, width) = 2 * radius + 1, x.shape[1:]
    padded = np.pad(x, ((0, 0), (reach, reach), (reach, reach)), mode="edge")
    total = np.zeros_like(x)
    for weight, row, column in zip(weights / weights.sum(), reach + down, reach + right, strict=True):
        total += weight * padded[:, row : row + height, column : column + width]
    return total


def zoom_blur(x: Image, rng: np.random.Generator, steps: int, percent: int) -> Image:
    """The mean of the image and its magnifications about the centre by 1, 1 + percent / 100, …, `steps` of them."""
    down, right = ((side - 1) / 2 for side in x.shape[1:])
    total = x.copy()
    for step in range(steps):
        scale = 100 / (100 + percent * step)
        offset: Any = (0, down * (1 - scale), right * (1 - scale))
        total += ndimage.affine_transform(x, (1, scale, scale), offset, order=1, mode="nearest")
    return total / (steps + 1)


def elastic_transform(
    x: Image, rng: np.random.Generator, shift: float, smoothness: float, corner: float
) -> Image:
    """A random affine map, then random displacements of neighbours alike; lengths as shares of the shorter side.

    Args:
        x, rng: as everywhere.
        shift: displacements are uniform in ± this before they are smoothed.
        smoothness: σ of the Gaussian that smooths them.
        corner: each of the three corners that fix the affine map moves by up to this.
    """
    size, third = min(x.shape[1:]), min(x.shape[1:]) // 3
    middle = np.array(x.shape[1:]) // 2
    corners = middle + np.array([[third, third], [third, -third], [-third, -third]], dtype=np.float64)
    moved = corners + rng.uniform(-corner * size, corner * size, corners.shape)
    affine = np.linalg.solve(np.c_[corners, np.ones(3)], moved)  # (row, column, 1) → where it is taken from
    noise = rng.uniform(-1, 1, (2, *x.shape[1:]))
    displaced = ndimage.gaussian_filter(noise, smoothness * size, mode="reflect", truncate=3, axes=_PLANE)
    rows, columns = np.mgrid[: x.shape[1], : x.shape[2]] + shift * size * displaced
    places = np.stack([rows, columns, np.ones_like(rows)], axis=-1) @ affine
    return np.stack(
        [ndimage.map_coordinates(plane, np.moveaxis(places, -1, 0), order=1, mode="mirror") for plane in x]
    )
