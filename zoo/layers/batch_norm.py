"""Batch normalisation in training on a CPU, with a second derivative in a few passes over the maps.

torch composes the second derivative of about thirty operations in float32: a third of a step with a gradient penalty.
Here it follows from the sums that torch's kernels of the first derivative give.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

Maps = Float[Tensor, "n channels h w"]
Row = Float[Tensor, " channels"]


def batch_norm(norm: nn.BatchNorm2d, x: Maps) -> Maps:
    """``norm(x)`` in training mode, bit for bit, and so are its first derivatives. Updates the running statistics.

    Args:
        norm: with weight, bias, running statistics and a momentum.
        x: maps (n, channels, h, w) on a CPU.
    """
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked.add_(1)
    running = norm.running_mean, norm.running_var
    return _Norm.apply(x, norm.weight, norm.bias, running, norm.momentum, norm.eps)  # type: ignore[return-value]


class _Norm(torch.autograd.Function):
    """y = w · x̂ + bias with x̂ = (x − μ) · s: μ is the batch's mean of a channel, s = 1/√(its variance + ε)."""

    @staticmethod
    def forward(
        ctx: Any, x: Maps, weight: Row, bias: Row, running: tuple[Row, Row], momentum: float, eps: float
    ) -> Maps:
        y, mean, scale = torch.native_batch_norm(x, weight, bias, *running, True, momentum, eps)
        ctx.save_for_backward(x, weight, mean, scale)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Maps) -> tuple[Tensor | None, ...]:
        return *_Slope.apply(*grads, *ctx.saved_tensors), None, None, None  # type: ignore[misc]


class _Slope(torch.autograd.Function):
    """The first derivatives: w · s · (g − ḡ − x̂ · b) of x, Σ g · x̂ of w and Σ g of the bias.

    ḡ is the mean of g in a channel, b that of g · x̂.
    """

    @staticmethod
    def forward(ctx: Any, g: Maps, x: Maps, weight: Row, mean: Row, scale: Row) -> tuple[Maps, Row, Row]:
        found = _slope(g, x, weight, mean, scale)
        ctx.save_for_backward(g, x, weight, mean, scale, *found[1:])
        ctx.set_materialize_grads(False)
        return found

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        """The derivatives of Σ u · w · s · (g − ḡ − x̂ · b), and of the other two sums where those are used.

        With a, the mean of u · x̂, and c, that of (u − ū) · (g − ḡ) less a · b, they are

        - of g: w · s · (u − ū − x̂ · a), the first derivative with u for g;
        - of x, on which μ and s depend: −w · s² · ((c − 2ab) · x̂ + b · (u − ū) + a · (g − ḡ));
        - of w: Σ s · c.
        """
        u, of_dot, of_sum = grads
        g, x, weight, mean, scale, dot_g, sum_g = ctx.saved_tensors
        u = torch.zeros_like(x) if u is None else u
        of_g, dot_u, sum_u = _slope(u, x, weight, mean, scale)
        count = x.numel() // len(mean)
        a, b, mean_u, mean_g = dot_u / count, dot_g / count, sum_u / count, sum_g / count
        c = _slope(u, g, weight, mean_g, torch.ones_like(mean))[1] / count - a * b
        factor = -weight * scale.square()
        of_x = _affine(x, mean, factor * scale * (c - 2 * a * b))
        of_x += _affine(u, mean_u, factor * b)
        of_x += _affine(g, mean_g, factor * a)
        if of_dot is not None:
            of_g += _affine(x, mean, scale * of_dot)
            of_x += _slope(g, x, of_dot, mean, scale)[0]
        if of_sum is not None:
            of_g += of_sum[:, None, None]
        return of_g, of_x, count * scale * c, None, None


def _slope(g: Maps, x: Maps, weight: Row, mean: Row, scale: Row) -> tuple[Maps, Row, Row]:
    """torch's first derivatives. The scale is given, so ε is not used."""
    return torch.ops.aten.native_batch_norm_backward(
        g, x, weight, None, None, mean, scale, True, 0.0, [True, True, True]
    )


def _affine(x: Maps, mean: Row, factor: Row) -> Maps:
    """(x − mean) · factor of each channel, in one pass, in the type of x."""
    zero, one = torch.zeros_like(mean), torch.ones_like(mean)
    return torch.native_batch_norm(x, factor, zero, mean, one, False, 0.0, 0.0)[0]
