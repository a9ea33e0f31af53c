"""The corruptions that are made, and their parameters.

Names and parameters are those of CIFAR-10-C and ImageNet-C (`zoo.corruptions.constants`). The images made here are
ours, and differ as `differs` says: they are neither CIFAR-10-C nor ImageNet-C.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, UInt8

from zoo.corruptions import blur, colour, noise, weather
from zoo.corruptions.constants import PUBLISHED, Severities, constants_of

VERSION = 1  # raised whenever the images change


@dataclass(frozen=True, slots=True, kw_only=True)
class Corruption:
    """One corruption.

    Attributes:
        apply: function of an image float64 (c, h, w) in [0, 1], a random generator and the parameters.
        parameters: names and units, as in documents.
        library: that computes it.
        differs: how it differs from the authors' script; empty if in rounding and random numbers only.
        colour: whether it needs three channels.
    """

    apply: Callable[..., Float64[np.ndarray, "c h w"]]
    parameters: str
    library: str
    differs: str = ""
    colour: bool = False

    @property
    def name(self) -> str:
        """The name, as of the files of CIFAR-10-C."""
        return self.apply.__name__

    @property
    def severities(self) -> Severities:
        """The parameters of severities 1 to 5, for images of 32 pixels."""
        return self.published("CIFAR-10-C")

    def published(self, constants: str) -> Severities:
        """The parameters of severities 1 to 5, as `CIFAR-10-C` or `ImageNet-C` has them."""
        return PUBLISHED[constants][self.name]


_MADE = (
    Corruption(
        apply=noise.gaussian_noise,
        parameters="σ",
        library="numpy",
    ),
    Corruption(
        apply=noise.shot_noise,
        parameters="photons of white",
        library="numpy",
    ),
    Corruption(
        apply=noise.impulse_noise,
        parameters="share of values",
        library="numpy",
    ),
    Corruption(
        apply=noise.speckle_noise,
        parameters="σ, times the value",
        library="numpy",
    ),
    Corruption(
        apply=blur.gaussian_blur,
        parameters="σ in pixels",
        library="scipy.ndimage",
    ),
    Corruption(
        apply=blur.glass_blur,
        parameters="σ and reach of exchanges in pixels, rounds of them",
        library="scipy.ndimage",
        differs="pixels are exchanged; the script's exchange of array views copies one over the other",
    ),
    Corruption(
        apply=blur.defocus_blur,
        parameters="radius, σ of its edge, in pixels",
        library="scipy.ndimage",
    ),
    Corruption(
        apply=blur.motion_blur,
        parameters="radius, σ, in pixels",
        library="numpy",
        differs="ImageMagick's rule, written here; the script calls ImageMagick",
    ),
    Corruption(
        apply=blur.zoom_blur,
        parameters="how many magnifications from 1 on, their distance in percent",
        library="scipy.ndimage",
        differs="about the exact centre; the script crops whole pixels",
    ),
    Corruption(
        apply=weather.snow,
        parameters="mean and σ of the noise, its zoom, least value of a flake, radius and σ of the fall, share kept",
        library="scipy.ndimage",
        differs="zoomed about the exact centre; motion blur as above",
    ),
    Corruption(
        apply=weather.frost,
        parameters="share of the image, share of the frost",
        library="numpy",
        differs="**the frost is ours**: random needles drawn here; the script's is cut from photographs",
    ),
    Corruption(
        apply=colour.fog,
        parameters="amount, decay",
        library="scipy.ndimage",
        differs="the pattern is a sum of interpolated grids; the script's is a diamond-square fractal",
    ),
    Corruption(
        apply=colour.brightness,
        parameters="added to the value of HSV",
        library="matplotlib.colors",
    ),
    Corruption(
        apply=colour.contrast,
        parameters="factor",
        library="numpy",
    ),
    Corruption(
        apply=colour.saturate,
        parameters="factor and addition to the saturation of HSV",
        library="matplotlib.colors",
        colour=True,
    ),
    Corruption(
        apply=blur.elastic_transform,
        parameters="displacement, its smoothness, corners, as shares of the side",
        library="scipy.ndimage",
        differs="both maps in one interpolation; the script makes two",
    ),
    Corruption(
        apply=colour.pixelate,
        parameters="scale, rounded down to whole pixels",
        library="Pillow",
    ),
    Corruption(
        apply=colour.jpeg_compression,
        parameters="quality",
        library="Pillow",
    ),
    Corruption(
        apply=weather.spatter,
        parameters="mean, σ and smoothness of the noise, least value of a drop, strength, 1 for mud",
        library="scipy.ndimage",
        differs="a drop's edge is its outermost pixels, and distances to it are exact; the script's are OpenCV's",
    ),
)

CORRUPTIONS: dict[str, Corruption] = {each.name: each for each in _MADE}


def made(channels: int) -> tuple[str, ...]:
    """The corruptions for images of so many channels, 1 or 3."""
    return tuple(name for name, each in CORRUPTIONS.items() if channels == 3 or not each.colour)


def corrupted(
    image: Float64[np.ndarray, "c h w"], name: str, severity: int, *, index: int, seed: int
) -> UInt8[np.ndarray, "c h w"]:
    """One image under one corruption, as 8-bit pixels.

    Args:
        image: in [0, 1], of 1 or 3 channels; its size decides whose parameters are taken (`constants_of`).
        name: of `CORRUPTIONS`.
        severity: 1 to 5.
        index, seed: the random numbers derive from these, name, severity and `VERSION`, and from nothing else.
    """
    recipe = CORRUPTIONS[name]
    digest = hashlib.sha256(f"{VERSION} {seed} {index} {name} {severity}".encode()).digest()
    rng = np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))
    severities = recipe.published(constants_of(*image.shape[1:]))
    changed = recipe.apply(image, rng, *severities[severity - 1])
    return np.rint(255 * np.clip(changed, 0, 1)).astype(np.uint8)
