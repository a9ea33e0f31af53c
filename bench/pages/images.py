"""Gallery images as PNG data URIs."""

from __future__ import annotations

import base64
import io

import numpy as np
from jaxtyping import Float, Float64

_MID_GREY = 0.5


def amplification(clean: Float[np.ndarray, "c h w"], attacked: Float[np.ndarray, "c h w"]) -> int:
    """The whole factor that stretches a perturbation to the full range from black to white around grey."""
    peak = float(np.abs(attacked.astype(np.float64) - clean).max())
    return max(1, round(_MID_GREY / peak)) if peak > 0 else 1


def perturbation(
    clean: Float[np.ndarray, "c h w"], attacked: Float[np.ndarray, "c h w"], factor: int
) -> Float64[np.ndarray, "c h w"]:
    """The amplified difference of two images, with zero as mid-grey, in [0, 1]."""
    return np.clip(_MID_GREY + factor * (attacked.astype(np.float64) - clean), 0, 1)


def data_uri(image: Float[np.ndarray, "c h w"]) -> str:
    """A (1 or 3, h, w) image in [0, 1] as a PNG data URI; any other number of channels is averaged to grey."""
    from PIL import Image

    if image.shape[0] not in (1, 3):
        image = image.mean(axis=0, keepdims=True)
    pixels = np.rint(255 * np.clip(np.nan_to_num(image), 0, 1)).astype(np.uint8)
    picture = Image.fromarray(pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1))
    buffer = io.BytesIO()
    picture.save(buffer, format="png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
