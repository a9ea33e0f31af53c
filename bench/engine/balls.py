"""The balls that attacks search in: distances between images, and the nearest images inside.

L∞, L2 and L1 measure every channel of every pixel. L0 counts pixels: one counts once however many of its channels
differ, as in the one-pixel attack.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

ROUNDING = 1e-6  # a pixel that differs by less counts as unchanged


def distance(
    x: Float[Tensor, "n c h w"], other: Float[Tensor, "n c h w"], norm: str
) -> Float64[Tensor, " n"]:
    """Distances between images, in float64: (n,) from two (n, c, h, w) tensors."""
    if norm == "l0":
        return (other != x).any(dim=1).flatten(1).sum(dim=1).double()
    delta = (other.double() - x.double()).flatten(1)
    if norm == "linf":
        return delta.abs().amax(dim=1)
    return delta.abs().sum(dim=1) if norm == "l1" else delta.norm(dim=1)


def project(
    x: Float[Tensor, "n c h w"], images: Float[Tensor, "n c h w"], norm: str, eps: float
) -> Float[Tensor, "n c h w"]:
    """The nearest images inside the ball of radius ε around ``x`` (and, as ``x`` is, inside the box).

    In L2 they are the nearest of the ball, then clamped to the box; in the other norms the nearest of both.
    """
    if norm == "l0":
        return torch.where(_most_changed(x, images, eps), images, x).clamp(0, 1)
    delta = images.double() - x.double()
    if norm == "linf":
        delta = delta.clamp(-eps, eps)
    elif norm == "l1":
        delta = _in_l1(x.double(), delta, eps)
    else:
        length = delta.flatten(1).norm(dim=1).clamp_min(torch.finfo(torch.float64).tiny)
        delta = delta * (eps / length).clamp(max=1.0)[:, None, None, None]
    return (x.double() + delta).clamp(0, 1).to(x.dtype)


def settled(
    x: Float[Tensor, "n c h w"], images: Float[Tensor, "n c h w"], norm: str
) -> Float[Tensor, "n c h w"]:
    """The images; in L0, where pixels are counted, pixels that only rounding has changed are restored."""
    if norm != "l0":
        return images
    moved = ((images - x).abs() > ROUNDING).any(dim=1, keepdim=True)
    return torch.where(moved, images, x)


def _most_changed(
    x: Float[Tensor, "n c h w"], images: Float[Tensor, "n c h w"], eps: float
) -> Bool[Tensor, "n 1 h w"]:
    """The ε pixels of each image that changed most, in the L2 norm of their channels; among equals, the first."""
    change = (images.double() - x.double()).square().sum(dim=1)
    order = change.flatten(1).argsort(dim=1, descending=True, stable=True)
    kept = torch.zeros_like(order, dtype=torch.bool).scatter(1, order[:, : int(eps)], True)
    return kept.view(len(x), 1, *x.shape[2:])


def _in_l1(
    x: Float64[Tensor, "n c h w"], delta: Float64[Tensor, "n c h w"], eps: float
) -> Float64[Tensor, "n c h w"]:
    """The nearest steps of L1 norm up to ε that stay in the box (Croce & Hein 2021), in one sort.

    Every size |δ| shrinks by λ, but never below 0, and is cut at the room that the box leaves. λ ≥ 0 is the smallest
    with Σ min((|δ| − λ)₊, room) ≤ ε. As min((a − λ)₊, room) = (a − λ)₊ − ((a − room)₊ − λ)₊, that sum is linear
    between the values of a and (a − room)₊.
    """
    size = delta.abs().flatten(1)
    room = torch.where(delta > 0, 1 - x, x).flatten(1)
    ends = torch.cat([size, (size - room).clamp_min(0), torch.zeros_like(size[:, :1])], dim=1)
    slope = torch.ones_like(ends)
    slope[:, size.shape[1] :] = -1
    slope[:, -1] = 0
    ends, order = ends.sort(dim=1, descending=True)
    slope = slope.gather(1, order)
    falling, reached = slope.cumsum(dim=1), (slope * ends).cumsum(dim=1)
    inside = reached - falling * ends <= eps  # the sum where λ is this end
    last = (
        inside.sum(dim=1, keepdim=True) - 1
    )  # the ends descend and the sum grows, so the inside ones come first
    count = falling.gather(1, last).clamp_min(1)
    shrink = ((reached.gather(1, last) - eps) / count).clamp_min(0)
    left = torch.minimum((size - shrink).clamp_min(0), room)
    return delta.sign() * left.view(delta.shape)
