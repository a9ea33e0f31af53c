"""Which corruptions are made, and with which parameters.

Names and parameters are those of CIFAR-10-C (Hendrycks & Dietterich, ICLR 2019, arXiv 1903.12261; the
parameters for 32×32 pixels are in the authors' script `make_cifar_c.py`). What is made with them here is ours,
and differs where `differs` says so: it is not CIFAR-10-C.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, UInt8

from zoo.corruptions import blur, colour, noise, weather
from zoo.grouped import SEVERITIES

VERSION = 1  # raised whenever the images change


@dataclass(frozen=True, slots=True, kw_only=True)
class Corruption:
    """One corruption.

    Attributes:
        apply: function of an image float64 (c, h, w) in [0, 1], a random generator and the parameters.
        parameters: names and units, as in documents.
        severities: the parameters of severities 1 to 5.
        library: what does the work.
        differs: how it differs from the authors' script; empty if in rounding and random numbers only.
        colour: whether it needs three channels.
    """

    apply: Callable[..., Float64[np.ndarray, "c h w"]]
    parameters: str
    severities: Sequence[tuple[Any, ...]]
    library: str
    differs: str = ""
    colour: bool = False

    def __post_init__(self) -> None:
        if len(self.severities) != SEVERITIES:
            raise ValueError(f"{len(self.severities)} severities, not {SEVERITIES}")

    @property
    def name(self) -> str:
        """As the files of CIFAR-10-C are called."""
        return self.apply.__name__


_MADE = (
    Corruption(
        apply=noise.gaussian_noise,
        parameters="σ",
        severities=[(0.04,), (0.06,), (0.08,), (0.09,), (0.1,)],
        library="numpy",
    ),
    Corruption(
        apply=noise.shot_noise,
        parameters="photons of white",
        severities=[(500,), (250,), (100,), (75,), (50,)],
        library="numpy",
    ),
    Corruption(
        apply=noise.impulse_noise,
        parameters="share of values",
        severities=[(0.01,), (0.02,), (0.03,), (0.05,), (0.07,)],
        library="numpy",
    ),
    Corruption(
        apply=noise.speckle_noise,
        parameters="σ, times the value",
        severities=[(0.06,), (0.1,), (0.12,), (0.16,), (0.2,)],
        library="numpy",
    ),
    Corruption(
        apply=blur.gaussian_blur,
        parameters="σ in pixels",
        severities=[(0.4,), (0.6,), (0.7,), (0.8,), (1,)],
        library="scipy.ndimage",
    ),
    Corruption(
        apply=blur.glass_blur,
        parameters="σ in pixels, rounds of exchanges",
        severities=[(0.05, 1), (0.25, 1), (0.4, 1), (0.25, 2), (0.4, 2)],
        library="scipy.ndimage",
        differs="pixels are exchanged; the script's exchange of array views copies one over the other",
    ),
    Corruption(
        apply=blur.defocus_blur,
        parameters="radius, σ of its edge, in pixels",
        severities=[(0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)],
        library="scipy.ndimage",
    ),
    Corruption(
        apply=blur.motion_blur,
        parameters="radius, σ, in pixels",
        severities=[(6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)],
        library="numpy",
        differs="ImageMagick's rule, written here; the script calls ImageMagick",
    ),
    Corruption(
        apply=blur.zoom_blur,
        parameters="how many magnifications 1, 1.01, …",
        severities=[(7,), (12,), (16,), (21,), (26,)],
        library="scipy.ndimage",
        differs="about the exact centre; the script crops whole pixels",
    ),
    Corruption(
        apply=weather.snow,
        parameters="mean and σ of the noise, its zoom, least value of a flake, radius and σ of the fall, share kept",
        severities=[
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ],
        library="scipy.ndimage",
        differs="zoomed about the exact centre; motion blur as above",
    ),
    Corruption(
        apply=weather.frost,
        parameters="share of the image, share of the frost",
        severities=[(1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)],
        library="numpy",
        differs="**the frost is ours**: random needles drawn here; the script's is cut from photographs",
    ),
    Corruption(
        apply=colour.fog,
        parameters="amount, decay",
        severities=[(0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)],
        library="scipy.ndimage",
        differs="the pattern is a sum of interpolated grids; the script's is a diamond-square fractal",
    ),
    Corruption(
        apply=colour.brightness,
        parameters="added to the value of HSV",
        severities=[(0.05,), (0.1,), (0.15,), (0.2,), (0.3,)],
        library="matplotlib.colors",
    ),
    Corruption(
        apply=colour.contrast,
        parameters="factor",
        severities=[(0.75,), (0.5,), (0.4,), (0.3,), (0.15,)],
        library="numpy",
    ),
    Corruption(
        apply=colour.saturate,
        parameters="factor and addition to the saturation of HSV",
        severities=[(0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)],
        library="matplotlib.colors",
        colour=True,
    ),
    Corruption(
        apply=blur.elastic_transform,
        parameters="displacement, its smoothness, corners, as shares of the side",
        severities=[
            (0, 0, 0.08),
            (0.05, 0.2, 0.07),
            (0.08, 0.06, 0.06),
            (0.1, 0.04, 0.05),
            (0.1, 0.03, 0.03),
        ],
        library="scipy.ndimage",
        differs="both maps in one interpolation; the script makes two",
    ),
    Corruption(
        apply=colour.pixelate,
        parameters="scale, rounded down to whole pixels",
        severities=[(0.95,), (0.9,), (0.85,), (0.75,), (0.65,)],
        library="Pillow",
    ),
    Corruption(
        apply=colour.jpeg_compression,
        parameters="quality",
        severities=[(80,), (65,), (58,), (50,), (40,)],
        library="Pillow",
    ),
    Corruption(
        apply=weather.spatter,
        parameters="mean, σ and smoothness of the noise, least value of a drop, strength, 1 for mud",
        severities=[
            (0.62, 0.1, 0.7, 0.7, 0.5, 0),
            (0.65, 0.1, 0.8, 0.7, 0.5, 0),
            (0.65, 0.3, 1, 0.69, 0.5, 0),
            (0.65, 0.1, 0.7, 0.69, 0.6, 1),
            (0.65, 0.1, 0.5, 0.68, 0.6, 1),
        ],
        library="scipy.ndimage",
        differs="a drop's edge is its outermost pixels, and distances to it are exact; the script's are OpenCV's",
    ),
)

CORRUPTIONS: dict[str, Corruption] = {each.name: each for each in _MADE}


def made(channels: int) -> tuple[str, ...]:
    """The corruptions that images of so many channels, 1 or 3, can be given."""
    return tuple(name for name, each in CORRUPTIONS.items() if channels == 3 or not each.colour)


def corrupted(
    image: Float64[np.ndarray, "c h w"], name: str, severity: int, *, index: int, seed: int
) -> UInt8[np.ndarray, "c h w"]:
    """One image under one corruption, as 8-bit pixels.

    Args:
        image: in [0, 1], square, of 1 or 3 channels.
        name: of `CORRUPTIONS`.
        severity: 1 to 5.
        index, seed: the random numbers derive from these, name, severity and `VERSION`, and from nothing else.
    """
    recipe = CORRUPTIONS[name]
    digest = hashlib.sha256(f"{VERSION} {seed} {index} {name} {severity}".encode()).digest()
    rng = np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))
    changed = recipe.apply(image, rng, *recipe.severities[severity - 1])
    return np.rint(255 * np.clip(changed, 0, 1)).astype(np.uint8)
