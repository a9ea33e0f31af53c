"""Faster convolutions for images of one size: without kernel taps that only see padding, in the faster layout.

A 5×5 kernel on a map of one pixel multiplies 24 times by zero; libraries are slow there, too.
"""

from __future__ import annotations

import copy
from collections import Counter

import torch
from jaxtyping import Float
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp

SMALL = 2  # pixels along a side, up to which channels-last layout is the slower one


@torch.no_grad()
def cropped(body: fx.GraphModule, x: Float[Tensor, "n c h w"]) -> fx.GraphModule:
    """An equal but faster model for images of the shape of ``x``; unchanged layers are shared.

    Args:
        body: traced model in eval mode.
        x: images (n, c, h, w); n does not matter.
    """
    fitted = fx.GraphModule(body, copy.deepcopy(body.graph))
    ShapeProp(fitted).propagate(x[:1].detach())
    called = Counter(node.target for node in fitted.graph.nodes if node.op == "call_module")
    parts = dict(fitted.named_modules())
    for node in fitted.graph.nodes:
        conv = parts.get(node.target) if node.op == "call_module" else None
        if type(conv) is nn.Conv2d and called[node.target] == 1:
            sides = node.args[0].meta["tensor_meta"].shape[-2:]
            own = _cropped(conv, sides)
            if max(sides) <= SMALL:
                own = _with_weight(own, own.weight.contiguous())
                with fitted.graph.inserting_before(node):
                    node.args = (fitted.graph.call_method("contiguous", (node.args[0],)), *node.args[1:])
            fitted.set_submodule(node.target, own)
    fitted.recompile()
    return fitted.eval()


def seen(side: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> tuple[slice, int]:
    """The taps along one axis that touch at least one pixel, and the padding that they need.

    If no symmetric padding gives the same output, these are all taps and the unchanged padding.

    Args:
        side: pixels along the axis.
        kernel, stride, padding, dilation: of the convolution along it.
    """

    def outputs(kernel: int, padding: int) -> int:
        return (side + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1

    size = outputs(kernel, padding)
    met = [
        tap
        for tap in range(kernel)
        if any(0 <= at * stride - padding + tap * dilation < side for at in range(size))
    ]
    if not met:
        return slice(0, kernel), padding
    less, count = padding - met[0] * dilation, met[-1] - met[0] + 1
    if less < 0 or outputs(count, less) != size:
        return slice(0, kernel), padding
    return slice(met[0], met[-1] + 1), less


def _cropped(conv: nn.Conv2d, sides: tuple[int, int]) -> nn.Conv2d:
    if isinstance(conv.padding, str) or conv.padding_mode != "zeros":
        return conv
    axes = zip(sides, conv.kernel_size, conv.stride, conv.padding, conv.dilation, strict=True)
    (rows, above), (columns, beside) = (seen(*axis) for axis in axes)
    weight = conv.weight[:, :, rows, columns]
    if weight.shape == conv.weight.shape:
        return conv
    own = _with_weight(conv, weight.contiguous(memory_format=torch.channels_last))
    own.kernel_size, own.padding = (weight.shape[2], weight.shape[3]), (above, beside)
    return own


def _with_weight(conv: nn.Conv2d, weight: Tensor) -> nn.Conv2d:
    """A copy of a convolution with another weight; the bias is shared."""
    own = copy.copy(conv)
    own._parameters = dict(conv._parameters)
    own.weight = nn.Parameter(weight, requires_grad=False)
    return own
