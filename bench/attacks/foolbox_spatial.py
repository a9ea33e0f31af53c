"""Foolbox's rotations and translations (Engstrom et al. 2019).

What foolbox 3.3.4 does, and both attacks here with it: an output pixel p is read at R(θ)·p + t in the
image, bilinearly, with the pixels' centres as the coordinates, the image's middle as the origin and black
beyond the border. So content moves by −t and turns counter-clockwise about the middle for θ > 0; 90° is
``torch.rot90`` up to rounding. The clean image is always tried first, every image of a batch goes through
the same transformations, and the first that breaks it counts.

What this file works around: foolbox's pixels are too short by the factor (side − 1)/side, and it shears
images that are not square; ``torch.meshgrid`` warns of an argument that it leaves out.
"""

from __future__ import annotations

import warnings
from typing import Any

import foolbox
from jaxtyping import Float, Int64
from torch import Tensor, nn

from bench.attacks.foolbox_model import Broken, wrapped
from bench.errors import CellError


def spatial_grid(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    rotation: float,
    translation: float,
    rotations: int,
    translations: int,
) -> Float[Tensor, "n c h w"]:
    """The first of a grid of rotations and translations that breaks an image: the worst case of the grid.

    Args:
        model: classifier of images in [0, 1], in eval mode.
        x: square images (n, c, side, side), float32 in [0, 1].
        y: labels (n,), int64.
        rotation: largest angle in degrees, to both sides.
        translation: largest shift along each axis, to both sides, as a share of the side.
        rotations: angles, evenly spaced from end to end; one means none but 0°.
        translations: shifts along each axis, likewise. ``rotations · translations²`` queries an image.

    Returns:
        Images of the shape of ``x`` in [0, 1]; the clean image where none of the grid breaks it.

    Raises:
        CellError: images that are not square.
    """
    attack = foolbox.attacks.SpatialAttack(
        max_rotation=rotation if rotations > 1 else 0.0,
        max_translation=_pixels(translation if translations > 1 else 0.0, x),
        num_rotations=rotations,
        num_translations=translations,
        grid_search=True,
    )
    return _run(attack, model, x, y)


def spatial_random(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    rotation: float,
    translation: float,
    draws: int,
) -> Float[Tensor, "n c h w"]:
    """The first of some random rotations and translations that breaks an image.

    Angles and shifts are uniform and come from numpy's global random state; all images of a batch get the
    same ones.

    Args:
        model, x, y, rotation, translation: as for ``spatial_grid``.
        draws: transformations tried, one query each.

    Returns:
        As ``spatial_grid``.

    Raises:
        CellError: images that are not square.
    """
    attack = foolbox.attacks.SpatialAttack(
        max_rotation=rotation,
        max_translation=_pixels(translation, x),
        grid_search=False,
        random_steps=draws,
    )
    return _run(attack, model, x, y)


def _pixels(share: float, x: Float[Tensor, "n c h w"]) -> float:
    """Foolbox's pixels for a shift of ``share`` of the side."""
    height, width = x.shape[2:]
    if height != width:
        raise CellError(f"foolbox turns square images only; these are {height}×{width}")
    return share * width * width / (width - 1)


def _run(attack: Any, model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.meshgrid", category=UserWarning)
        images, _, _ = attack(wrapped(model, x.device), x.contiguous(), Broken(y))
    return images.clamp(0, 1)  # bilinear weights may add up to a rounding above one
