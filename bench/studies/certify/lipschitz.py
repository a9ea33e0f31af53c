"""A Lipschitz bound of a whole network: the product of its layers' norms, as Definition 4 of arXiv 2510.16171 needs.

Where CLEVER estimates the largest gradient near an image, this bounds it everywhere: ‖f(x + δ) − f(x)‖ is at most
the product times ‖δ‖. A margin g then stays positive within g / L. Layers over a group count as the plain
convolutions they are. The bound is of the network in real numbers; its own rounding is computed outward.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import singledispatch

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn

from zoo.deployment import Deployed
from zoo.intervals import NoBounds, Rules, ball, batch_norm_scale, check_layer
from zoo.layers import Concatenate, GroupPool, Normalize, Resize, ScaleConv, WeightedSum
from zoo.margins import margins
from zoo.models.classifier import Classifier, Head

EXACT = 1024  # inputs of a convolution at most, of which the norm is that of its matrix
_OUTWARD = 1 + 1e-9  # more than a singular value or a sum in float64 is off by
REAL = Rules(unit=2.0**-53)


@dataclass(frozen=True)
class Gain:
    """How much a network up to a layer can increase a change, and an example of that layer's output.

    Attributes:
        factor: bound of ‖out(x) − out(x')‖ / ‖x − x'‖, both in the norm.
        shape: of the layer's output for one image, (1, …).
        norm: ``l2`` or ``linf``.
    """

    factor: float
    shape: torch.Size
    norm: str

    def after(self, module: nn.Module, factor: float) -> Gain:
        """The gain after a layer of that norm."""
        with torch.no_grad():
            shape = module(torch.zeros(self.shape)).shape
        return Gain(self.factor * factor * _OUTWARD, shape, self.norm)


def pair_bounds(
    model: nn.Module, image_shape: tuple[int, ...], norm: str
) -> Float64[np.ndarray, "classes classes"]:
    """Lipschitz constants of every margin z_i − z_j for changes of the image in ``norm``; 0 for i = j.

    Args:
        model: a deployed model of the zoo, or a sequence of plain layers, that ends in a linear layer; on the CPU.
        image_shape: (c, h, w).
        norm: ``l2`` or ``linf``.

    Raises:
        NoBounds: a layer's norm is not known.
    """
    gain = Gain(1.0, torch.Size((1, *image_shape)), norm)
    *before, last = _parts(model)
    for part in before:
        gain = gained(part, gain)
    if not isinstance(last, nn.Linear):
        raise NoBounds(f"the model ends in {type(last).__name__}; Lipschitz bounds need a linear layer there")
    weight = last.weight.detach().double()
    order = 2 if norm == "l2" else 1
    rows = torch.linalg.vector_norm(weight[:, None] - weight[None], ord=order, dim=2)
    return (rows * (gain.factor * _OUTWARD)).numpy()


def lipschitz_radii(
    model: nn.Module, x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"], norm: str
) -> dict[str, Float64[np.ndarray, " n"]]:
    """The radii that the Lipschitz bounds of all margins certify.

    Returns:
        ``radius`` (n,), 0 for a wrong image, and ``bound`` (n,), the constant of the margin that decides it.
    """
    bounds = pair_bounds(model, tuple(x.shape[1:]), norm)[y.cpu().numpy()]
    with torch.no_grad():
        low = margins(model, ball(x.double(), 0.0), y, REAL).cpu().numpy()
    others = np.arange(low.shape[1]) != y.cpu().numpy()[:, None]
    constant = np.where(others & (low <= 0), 0.0, np.inf)  # where a margin never changes
    ratio = np.divide(low, bounds, where=others & (bounds > 0), out=constant)
    at = ratio.argmin(axis=1)
    rows = np.arange(len(at))
    whole = 1.0 if norm == "linf" else x[0].numel() ** 0.5  # no two images are farther apart
    return {"radius": np.clip(ratio[rows, at], 0.0, whole), "bound": bounds[rows, at]}


def _parts(model: nn.Module) -> list[nn.Module]:
    """The layers of a model in a row; the last one is by itself."""
    check_layer(model)
    if isinstance(model, Deployed):
        return _parts(model.body)
    if isinstance(model, Classifier):
        return [model.normalize, model.front, model.trunk, *_parts(model.head)]
    if isinstance(model, Head):
        return [_Mean(), model.pool, model.linear]
    return [each for part in model for each in _parts(part)] if isinstance(model, nn.Sequential) else [model]


class _Mean(nn.Module):
    """The mean over space, as the head takes it."""

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c"]:
        return x.mean((2, 3))


def gained(module: nn.Module, gain: Gain) -> Gain:
    """The gain after a layer.

    Raises:
        NoBounds: the layer's norm is not known.
    """
    check_layer(module)
    return rule(module, gain)


@singledispatch
def rule(module: nn.Module, gain: Gain) -> Gain:
    """The gain after a layer of a class; ``rule.register`` adds a class."""
    raise NoBounds(f"no Lipschitz bound is known of a layer {type(module).__name__}")


@rule.register(nn.ReLU)
@rule.register(nn.Identity)
@rule.register(nn.Dropout)
@rule.register(nn.Flatten)
@rule.register(GroupPool)
def _(module: nn.Module, gain: Gain) -> Gain:
    return gain.after(module, 1.0)


@rule.register
def _(module: Normalize, gain: Gain) -> Gain:
    return gain.after(module, 2.0)


@rule.register
def _(module: nn.MaxPool2d, gain: Gain) -> Gain:
    """A value that lies in several windows counts in each."""
    windows = 1
    for axis in range(2):
        kernel, stride, dilation = (
            _side(value, axis) for value in (module.kernel_size, module.stride, module.dilation)
        )
        windows *= math.ceil(kernel / stride) if dilation == 1 else kernel
    return gain.after(module, windows**0.5 if gain.norm == "l2" else 1.0)


@rule.register
def _(module: nn.BatchNorm2d, gain: Gain) -> Gain:
    scale = batch_norm_scale(module, torch.zeros((), dtype=torch.float64))
    return gain.after(module, float(scale.detach().abs().max()))


@rule.register(_Mean)
@rule.register(nn.AvgPool2d)
@rule.register(nn.AdaptiveAvgPool2d)
def _(module: nn.Module, gain: Gain) -> Gain:
    """In L∞ the largest sum of a row of the layer's matrix, in L2 √(largest row · largest column)."""
    inputs = torch.ones(gain.shape, dtype=torch.float64, requires_grad=True)
    with torch.enable_grad():
        rows = module(inputs)
        (columns,) = torch.autograd.grad(rows.sum(), inputs)
    row, column = float(rows.detach().abs().max()), float(columns.abs().max())
    return gain.after(module, math.sqrt(row * column) if gain.norm == "l2" else row)


@rule.register
def _(module: nn.Linear, gain: Gain) -> Gain:
    return gain.after(module, matrix_norm(module.weight, gain.norm))


@rule.register
def _(module: nn.Conv2d, gain: Gain) -> Gain:
    return gain.after(module, conv_norm(module, int(gain.shape[2]), int(gain.shape[3]), gain.norm))


@rule.register
def _(module: Resize, gain: Gain) -> Gain:
    """Both axes are multiplied by the matrix; in L2 the norm of such a product is the product of the norms."""
    return gain.after(module, matrix_norm(module.matrix, gain.norm) ** 2)


@rule.register
def _(module: nn.Sequential, gain: Gain) -> Gain:
    for part in module:
        gain = gained(part, gain)
    return gain


@rule.register
def _(module: Concatenate, gain: Gain) -> Gain:
    factors = [gained(branch, gain).factor / gain.factor for branch in module.branches]
    return gain.after(module, math.hypot(*factors) if gain.norm == "l2" else max(factors))


@rule.register
def _(module: WeightedSum, gain: Gain) -> Gain:
    factors = [gained(branch, gain).factor / gain.factor for branch in module.branches]
    weights = module.logits.detach().softmax(0).double().tolist()
    return gain.after(module, sum(w * factor for w, factor in zip(weights, factors, strict=True)))


@rule.register
def _(module: ScaleConv, gain: Gain) -> Gain:
    factors = [
        gained(nn.Sequential(there, module.conv, back), gain).factor / gain.factor
        for there, back in zip(module.there, module.back, strict=True)
    ]
    return gain.after(module, sum(factors) / len(factors))


def matrix_norm(matrix: Float[Tensor, "rows columns"], norm: str) -> float:
    """The largest singular value, or the largest sum of absolute values of a row."""
    matrix = matrix.detach().double().cpu()
    return float(torch.linalg.matrix_norm(matrix, 2 if norm == "l2" else float("inf")))


def conv_norm(conv: nn.Conv2d, height: int, width: int, norm: str) -> float:
    """A bound of the norm of a convolution with zero padding on images (height, width).

    In L∞ it is the largest sum of absolute values of a filter. In L2 it is the largest singular value of the
    convolution's matrix, up to ``EXACT`` inputs. Beyond, the images are set into a torus so large that no filter
    reaches around it: what the padded convolution gives is then a part of what the one on the torus gives, whose norm
    is the largest singular value of its Fourier blocks (Sedghi, Gupta and Long 2019). On small images that is far
    above the norm: by 83 % in a layer on 2×2.

    Raises:
        NoBounds: the padding is not by zeros.
    """
    if conv.padding_mode != "zeros":
        raise NoBounds(f"no Lipschitz bound is known of padding {conv.padding_mode!r}; use zeros")
    weight = _dense(conv)
    if norm == "linf":
        return float(weight.abs().sum((1, 2, 3)).max())
    if (inputs := conv.in_channels * height * width) <= EXACT:
        units = torch.eye(inputs, dtype=weight.dtype).view(inputs, conv.in_channels, height, width)
        steps = {name: getattr(conv, name) for name in ("stride", "padding", "dilation")}
        return matrix_norm(F.conv2d(units, weight, **steps).flatten(1), norm)
    down, right = _side(conv.dilation, 0), _side(conv.dilation, 1)
    kernel = weight.new_zeros(
        *weight.shape[:2], (weight.shape[2] - 1) * down + 1, (weight.shape[3] - 1) * right + 1
    )
    kernel[:, :, ::down, ::right] = weight
    torus = (height + kernel.shape[2] - 1, width + kernel.shape[3] - 1)
    blocks = torch.fft.rfft2(kernel, s=torus).permute(2, 3, 0, 1)
    return float(torch.linalg.svdvals(blocks).max())


def _dense(conv: nn.Conv2d) -> Float64[Tensor, "outputs inputs k l"]:
    """The filters over all input channels, with zeros between groups."""
    weight = conv.weight.detach().double().cpu()
    if conv.groups == 1:
        return weight
    dense = weight.new_zeros(conv.out_channels, conv.in_channels, *weight.shape[2:])
    outputs, inputs = conv.out_channels // conv.groups, conv.in_channels // conv.groups
    for group in range(conv.groups):
        rows = slice(group * outputs, (group + 1) * outputs)
        dense[rows, group * inputs : (group + 1) * inputs] = weight[rows]
    return dense


def _side(value: int | tuple[int, ...], axis: int = 0) -> int:
    return value if isinstance(value, int) else value[axis]
