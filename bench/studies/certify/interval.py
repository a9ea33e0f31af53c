"""Certificates by interval bounds: the largest L∞ ball that provably has only one class."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor, nn

from zoo.intervals import FLOAT32, Rules, ball
from zoo.margins import margins

SMALLEST = -30  # log2 of the smallest radius of the search
HALVINGS = 17  # of the range of exponents: radii are found to 0.02 %
ROUNDED = Rules(unit=FLOAT32)


@torch.no_grad()
def holds(
    model: nn.Module, x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"], eps: Float64[Tensor, " n"]
) -> Bool[Tensor, " n"]:
    """Whether every image within ε of each x is proven to be of its class, including the network's own rounding.

    Args:
        model: deployed model that computes in float32, on the device of ``x``.
        x: images (n, c, h, w) in [0, 1].
        y: labels (n,).
        eps: L∞ radii (n,) in pixel units.

    Raises:
        zoo.intervals.NoBounds: no bounds are known of a layer.
    """
    low = margins(model, ball(x.double(), eps), y, ROUNDED)
    others = low.scatter(1, y[:, None], torch.inf)
    return others.amin(dim=1) > 0  # NaN proves nothing


def interval_radii(
    model: nn.Module, x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"]
) -> Float64[np.ndarray, " n"]:
    """The largest radii (n,) that ``holds``, by halving their exponents; 0 where 2⁻³⁰ does not hold.

    Each radius was checked, so it is a certificate, also if the search missed a larger one.
    """
    smallest = torch.full((len(x),), 2.0**SMALLEST, dtype=torch.float64, device=x.device)
    found = torch.where(holds(model, x, y, smallest), smallest, 0.0)
    at = found.nonzero().squeeze(1)
    if len(at):  # no search where the smallest does not hold
        found[at] = _largest(model, x[at], y[at])
    return found.cpu().numpy()


def _largest(model: nn.Module, x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"]) -> Float64[Tensor, " n"]:
    """The largest radii that hold, of images where the smallest one does."""
    low = torch.full((len(x),), float(SMALLEST), dtype=torch.float64, device=x.device)
    high = torch.zeros_like(low)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        held = holds(model, x, y, 2**middle)
        low, high = torch.where(held, middle, low), torch.where(held, high, middle)
    return 2**low
