"""Rotations and translations of images: one transform for training and testing.

An image is turned about its middle and then shifted. Every output pixel is read where it comes from, with the pixels'
centres as coordinates: pixel (i, j) lies at row i and column j, the middle at ((h − 1)/2, (w − 1)/2). Coordinates are
float64 and the reading is by index, so turns by multiples of 90° of square images and shifts by whole pixels only move
values, bit for bit. ``nearest`` with ``black`` is what PIL's ``Image.rotate`` does by default, and with it the rotation
released with "Can we have it all?" (Kamath et al., NeurIPS 2021).
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

INTERPOLATIONS = ("bilinear", "nearest")
FILLS = ("black", "edge")

_FINEST = 2.0**32  # steps a pixel; k/side times side is not always k, and the last bits of a sine differ


def moved(
    x: Float[Tensor, "n c h w"],
    degrees: Float64[Tensor, " n"],
    shifts: Float64[Tensor, "n 2"] | None = None,
    *,
    interpolation: str = "bilinear",
    fill: str = "black",
) -> Float[Tensor, "n c h w"]:
    """Images turned about their middle and then shifted, each by its own angle and shift.

    Args:
        x: images (n, c, h, w), any floating type and device; values in [0, 1] stay there.
        degrees: (n,) angles, any finite value; content turns counter-clockwise where they are positive, so
            90 is ``torch.rot90(x, 1, (2, 3))``.
        shifts: (n, 2) by how much content moves to the right and down, as shares of width and height;
            ``None`` for no shift.
        interpolation: ``bilinear``, or ``nearest`` (halves go right and down).
        fill: values beyond the border: ``black`` (0), or ``edge``, the nearest pixel of the border.

    Returns:
        Images of the shape, type and device of ``x``. Content that is turned or shifted out of the frame is lost.

    Raises:
        ValueError: an unknown interpolation or fill.
    """
    if interpolation not in INTERPOLATIONS:
        raise ValueError(f"interpolation is {interpolation!r}; it must be one of {', '.join(INTERPOLATIONS)}")
    if fill not in FILLS:
        raise ValueError(f"fill is {fill!r}; it must be one of {', '.join(FILLS)}")
    row, column = _sources(x, degrees, shifts)
    if interpolation == "nearest":
        return _read(x, (row + 0.5).floor().long(), (column + 0.5).floor().long(), fill)
    top, left = row.floor(), column.floor()
    down, right = (row - top).to(x.dtype)[:, None], (column - left).to(x.dtype)[:, None]
    i, j = top.long(), left.long()
    # a + t·(b − a) stays in [0, 1] with a and b, which a sum of four weights does not
    above = _between(_read(x, i, j, fill), _read(x, i, j + 1, fill), right)
    below = _between(_read(x, i + 1, j, fill), _read(x, i + 1, j + 1, fill), right)
    return _between(above, below, down)


def drawn(
    generator: torch.Generator | None, n: int, rotation: float, device: torch.device | None = None
) -> Float64[Tensor, " n"]:
    """Angles (n,) in degrees, uniform in [−rotation, rotation], on the CPU or on `device`.

    They come from the generator, which is of that device, or without one from torch's global state for it.
    """
    return (2 * torch.rand(n, dtype=torch.float64, generator=generator, device=device) - 1) * rotation


def _sources(
    x: Float[Tensor, "n c h w"], degrees: Float64[Tensor, " n"], shifts: Float64[Tensor, "n 2"] | None
) -> tuple[Float64[Tensor, "n h w"], Float64[Tensor, "n h w"]]:
    """Row and column at which each output pixel is read: the shift undone, then the turn."""
    height, width = x.shape[2:]
    cosine, sine = (each.to(x.device)[:, None, None] for each in _cosine_and_sine(degrees))
    down = torch.arange(height, dtype=torch.float64, device=x.device)[None, :, None] - (height - 1) / 2
    right = torch.arange(width, dtype=torch.float64, device=x.device)[None, None, :] - (width - 1) / 2
    if shifts is not None:
        shifts = shifts.to(x.device)[:, :, None, None]
        right, down = right - shifts[:, 0] * width, down - shifts[:, 1] * height
    row = sine * right + cosine * down + (height - 1) / 2
    column = cosine * right - sine * down + (width - 1) / 2
    return (row * _FINEST).round() / _FINEST, (column * _FINEST).round() / _FINEST


def _cosine_and_sine(degrees: Float64[Tensor, " n"]) -> tuple[Float64[Tensor, " n"], Float64[Tensor, " n"]]:
    """Exactly 0 and ±1 at multiples of 90°: only the rest of at most 45° is left to the series."""
    quarters = (degrees / 90).round()
    rest = torch.deg2rad(degrees - 90 * quarters)
    cosine, sine = rest.cos(), rest.sin()
    turn = quarters.remainder(4).long()
    by_turn = torch.stack([cosine, -sine, -cosine, sine])  # of the cosine; the sine is a quarter behind
    at = torch.arange(len(degrees), device=degrees.device)
    return by_turn[turn, at], by_turn[(turn - 1) % 4, at]


def _read(
    x: Float[Tensor, "n c h w"], row: Int64[Tensor, "n h w"], column: Int64[Tensor, "n h w"], fill: str
) -> Float[Tensor, "n c h w"]:
    """The pixels at these rows and columns, with what lies beyond the border."""
    height, width = x.shape[2:]
    index = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
    found = x.flatten(2).gather(2, index.flatten(1)[:, None].expand(-1, x.shape[1], -1)).view(x.shape)
    if fill == "edge":
        return found
    outside = (row < 0) | (row >= height) | (column < 0) | (column >= width)
    return found.masked_fill(outside[:, None], 0)


def _between(
    a: Float[Tensor, "n c h w"], b: Float[Tensor, "n c h w"], share: Float[Tensor, "n 1 h w"]
) -> Float[Tensor, "n c h w"]:
    return a + share * (b - a)
