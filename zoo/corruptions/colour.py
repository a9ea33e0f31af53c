"""Light, colour and encoding, by NumPy, Matplotlib and Pillow: images (c, h, w) in [0, 1] in and out."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy import ndimage

Image = Float64[np.ndarray, "c h w"]


def brightness(x: Image, rng: np.random.Generator, amount: float) -> Image:
    """Added to the value of HSV; a grey image is its own value."""
    if len(x) == 1:
        return x + amount
    return _in_hsv(x, 2, lambda value: value + amount)


def saturate(x: Image, rng: np.random.Generator, factor: float, amount: float) -> Image:
    """The saturation of HSV, times `factor` plus `amount`; colour images only."""
    return _in_hsv(x, 1, lambda saturation: factor * saturation + amount)


def contrast(x: Image, rng: np.random.Generator, factor: float) -> Image:
    """Distances from the mean of each channel, scaled."""
    mean = x.mean(axis=(1, 2), keepdims=True)
    return mean + factor * (x - mean)


def fog(x: Image, rng: np.random.Generator, amount: float, decay: float) -> Image:
    """A fractal of light is added, and the brightest value stays what it was.

    The fractal is a sum of random grids of 2×2, 4×4, … values, interpolated; each is decay² times weaker than
    the one before. It is scaled to [0, 1].
    """
    sides = np.array(x.shape[1:])
    light = np.zeros(x.shape[1:])
    for octave in range(1, int(sides.max()).bit_length()):
        grid = rng.uniform(-1, 1, (2**octave, 2**octave))
        zoomed = ndimage.zoom(grid, sides / 2**octave, order=1, mode="grid-wrap", grid_mode=True)
        light += np.asarray(zoomed) / decay ** (2 * octave)
    light = (light - light.min()) / np.ptp(light)
    brightest = x.max()
    return (x + amount * light) * brightest / (brightest + amount)


def pixelate(x: Image, rng: np.random.Generator, scale: float) -> Image:
    """Shrunk and enlarged again, both by box averages."""
    from PIL.Image import Resampling

    picture = _picture(x)
    small = (int(picture.width * scale), int(picture.height * scale))
    shrunk = picture.resize(small, Resampling.BOX)
    return _array(shrunk.resize(picture.size, Resampling.BOX))


def jpeg_compression(x: Image, rng: np.random.Generator, quality: int) -> Image:
    """Written as JPEG and read again; the colour of a colour image at half the resolution."""
    import PIL.Image

    file = io.BytesIO()
    _picture(x).save(file, "JPEG", quality=quality)
    with PIL.Image.open(file) as read:
        return _array(read)


def _in_hsv(x: Image, channel: int, change: Callable[[np.ndarray], np.ndarray]) -> Image:
    from matplotlib.colors import hsv_to_rgb, rgb_to_hsv

    hsv = rgb_to_hsv(np.moveaxis(x, 0, -1))
    hsv[..., channel] = np.clip(change(hsv[..., channel]), 0, 1)
    return np.moveaxis(hsv_to_rgb(hsv), -1, 0)


def _picture(x: Image) -> Any:
    import PIL.Image

    levels = np.rint(255 * x).astype(np.uint8)
    return PIL.Image.fromarray(levels[0] if len(levels) == 1 else np.moveaxis(levels, 0, -1))


def _array(picture: Any) -> Image:
    levels = np.asarray(picture, dtype=np.float64) / 255
    return levels[None] if levels.ndim == 2 else np.moveaxis(levels, -1, 0)
