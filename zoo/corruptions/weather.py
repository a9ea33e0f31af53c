"""Snow, frost and spatter, by scipy.ndimage: images (c, h, w) in [0, 1] in and out, lengths in pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy import ndimage

from zoo.corruptions.blur import motion_blur
from zoo.corruptions.constants import constants_of

Image = Float64[np.ndarray, "c h w"]
Plane = Float64[np.ndarray, "h w"]

LUMA = np.array([0.299, 0.587, 0.114])  # of red, green and blue (ITU-R BT.601)
WATER = np.array([175, 238, 238]) / 255  # pale turquoise
MUD = np.array([63, 42, 20]) / 255
FROST = np.array([0.85, 0.93, 1])

_NEEDLES = 6  # directions of the needles of frost


def snow(
    x: Image,
    rng: np.random.Generator,
    mean: float,
    sigma: float,
    zoom: float,
    least: float,
    radius: int,
    spread: float,
    kept: float,
) -> Image:
    """Flakes fall over an image that is paler than it was.

    Args:
        x, rng: as everywhere.
        mean, sigma: of the Gaussian noise the flakes are cut from.
        zoom: how much larger than pixels they are.
        least: flakes are where the noise is at least this.
        radius, spread: of the motion blur (radius and sigma) of their fall, within 45° of the vertical.
        kept: share of the image that is not made paler.
    """
    noise = rng.normal(mean, sigma, x.shape[1:])
    offset: Any = (np.array(x.shape[1:]) - 1) / 2 * (1 - 1 / zoom)
    noise = ndimage.affine_transform(noise, (1 / zoom, 1 / zoom), offset, order=1, mode="nearest")
    flakes = np.clip(np.where(noise < least, 0, noise), 0, 1)
    fallen = motion_blur(flakes[None], rng, radius, spread, (-135, -45))
    pale = np.maximum(x, 1.5 * _grey(x) + 0.5)
    return kept * x + (1 - kept) * pale + fallen + fallen[:, ::-1, ::-1]


def frost(x: Image, rng: np.random.Generator, kept: float, amount: float) -> Image:
    """The image, weakened, and a picture of frost; the picture is made here and is no photograph."""
    return kept * x + amount * _coloured(frost_picture(rng, *x.shape[1:]), FROST, len(x))


def frost_picture(rng: np.random.Generator, height: int, width: int) -> Plane:
    """Needles of ice in six random directions, scaled to [0, 1]; on large images longer with the side."""
    radius = 6 * min(height, width) // 32 if constants_of(height, width) == "ImageNet-C" else 6
    grains = rng.random((_NEEDLES, height, width)) ** 8
    needles = np.max(
        [motion_blur(each[None], rng, radius, 2 * radius / 3, (0, 360))[0] for each in grains], axis=0
    )
    return (needles - needles.min()) / np.ptp(needles)


def spatter(
    x: Image,
    rng: np.random.Generator,
    mean: float,
    sigma: float,
    smoothness: float,
    least: float,
    strength: float,
    mud: int,
) -> Image:
    """Drops of water, lit from one side, that add light; or of mud, that hide what is behind.

    Args:
        x, rng: as everywhere.
        mean, sigma: of the Gaussian noise the drops are cut from.
        smoothness: σ of the Gaussian that smooths it.
        least: drops are where it is at least this.
        strength: of water, the largest share of its colour that is added; of mud, the σ that smooths its drops.
        mud: 0 for water, 1 for mud.
    """
    noise = rng.normal(mean, sigma, x.shape[1:])
    liquid = ndimage.gaussian_filter(noise, smoothness, mode="nearest")
    if mud:
        cover = ndimage.gaussian_filter((liquid > least).astype(np.float64), strength, mode="nearest")
        cover[cover < 0.8] = 0
        return (1 - cover) * x + _coloured(cover, MUD, len(x))
    drops = np.where(liquid < least, 0, liquid)
    light = drops * _relief(drops > 0)
    return x + _coloured(strength * light / (light.max() or 1), WATER, len(x))


def _relief(drops: Any) -> Plane:
    """(h, w) from bool drops (h, w): how bright each place is in light from above left, 0 to 255."""
    inner: Any = ndimage.binary_erosion(drops, border_value=1)
    outline = drops & ~inner
    if not outline.any():
        return np.zeros(drops.shape)
    away: Any = ndimage.distance_transform_edt(~outline)
    distance = np.minimum(away, 20)
    depth = _equalised(np.floor(ndimage.uniform_filter(distance, 3, mode="mirror")).astype(np.uint8))
    lit = ndimage.correlate(depth, np.array([[-2.0, -1, 0], [-1, 1, 1], [0, 1, 2]]), mode="mirror")
    return ndimage.uniform_filter(np.clip(lit, 0, 255), 3, mode="mirror")


def _equalised(levels: Any) -> Plane:
    """Levels uint8 (h, w) spread over 0 to 255 by their ranks: a histogram equalisation."""
    counts = np.bincount(levels.ravel(), minlength=256)
    below = counts.cumsum() - counts[levels.min()]
    return np.rint(255 * below / max(below[-1], 1))[levels]


def _grey(x: Image) -> Plane:
    return x[0] if len(x) == 1 else np.tensordot(LUMA, x, 1)


def _coloured(amount: Plane, colour: np.ndarray, channels: int) -> Image:
    """The amount of a colour at each place; of its grey on grey images."""
    parts = colour if channels == 3 else np.array([LUMA @ colour])
    return parts[:, None, None] * amount
