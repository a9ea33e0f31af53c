"""Noise, drawn by NumPy: images (c, h, w) in [0, 1] in and out, before they are clipped."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

Image = Float64[np.ndarray, "c h w"]


def gaussian_noise(x: Image, rng: np.random.Generator, sigma: float) -> Image:
    return x + rng.normal(scale=sigma, size=x.shape)


def shot_noise(x: Image, rng: np.random.Generator, photons: int) -> Image:
    """White is `photons` photons on average."""
    return rng.poisson(x * photons) / photons


def impulse_noise(x: Image, rng: np.random.Generator, share: float) -> Image:
    """A share of the values becomes black or white, either as likely."""
    draws = rng.random(x.shape)
    return np.where(draws < share, np.where(draws < share / 2, 0.0, 1.0), x)


def speckle_noise(x: Image, rng: np.random.Generator, sigma: float) -> Image:
    return x * (1 + rng.normal(scale=sigma, size=x.shape))
