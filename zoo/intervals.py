"""Interval bounds (Gowal et al. 2018): the possible outputs of a network for any image of a box, layer by layer.

A layer's box contains all its values for inputs in the box before. Bounds hold for real numbers, and with ``unit``
above 0 also for a network that rounds: each sum of k products may then be off by γ(k) = k·unit / (1 − k·unit) times the
sum of their sizes (Higham 2002, section 3.1), in whatever order it is taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, singledispatch
from typing import TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from zoo.deployment import Deployed
from zoo.errors import UserError
from zoo.layers import (
    Block,
    Concatenate,
    GroupBatchNorm,
    GroupConv,
    GroupPool,
    LiftingConv,
    Normalize,
    Resize,
    ScaleConv,
    WeightedSum,
)
from zoo.models.classifier import Classifier, Head

FLOAT32 = 2.0**-24  # unit roundoff
_TINY = 1e-30  # more than the largest error of underflow
_OWN = 1.01  # float64 rounds too, 2²⁹ times less
_KEEPS_LOGITS = "keeps_logits"  # attribute of hooks

Map = Callable[[Tensor], Tensor]
Hook = TypeVar("Hook", bound=Callable[..., object])


class NoBounds(UserError, ValueError):
    """A layer without known bounds; the message names it."""


@dataclass(frozen=True)
class Box:
    """Lower and upper ends of every value, of one shape, lo <= hi."""

    lo: Tensor
    hi: Tensor

    @property
    def middle(self) -> Tensor:
        return (self.lo + self.hi) / 2

    @property
    def radius(self) -> Tensor:
        return (self.hi - self.lo) / 2

    @property
    def size(self) -> Tensor:
        """The largest absolute value of each."""
        return torch.maximum(self.lo.abs(), self.hi.abs())

    def each(self, rising: Map) -> Box:
        """The box after a map that rises in each value and rounds nothing."""
        return Box(rising(self.lo), rising(self.hi))

    def wider(self, by: Tensor, terms: int, unit: float) -> Box:
        """This box, wider by the rounding of sums of ``terms`` terms of total sizes ``by``."""
        if not unit:
            return self
        margin = by * (_OWN * terms * unit / (1 - terms * unit)) + _TINY
        return Box(self.lo - margin, self.hi + margin)

    def averaged(self, mean: Map, unit: float) -> Box:
        """The box after a map that averages values over space."""
        return self.each(mean).wider(mean(self.size), math.prod(self.lo.shape[2:]) + 1, unit)


@dataclass(frozen=True)
class Rules:
    """Rules for boxes through layers.

    Attributes:
        unit: unit roundoff of the network's arithmetic; 0 for real numbers.
        affine: scale and shift of a batch norm; those of eval mode unless another is given.
    """

    unit: float = 0.0
    affine: Callable[[GroupBatchNorm], tuple[Tensor, Tensor]] = GroupBatchNorm.affine_map


def ball(x: Float[Tensor, "n c h w"], eps: float | Tensor) -> Box:
    """The images within ε of ``x`` in L∞ and in [0, 1]; ε is a number or a tensor (n,)."""
    eps = eps.view(-1, 1, 1, 1) if isinstance(eps, Tensor) else eps
    return Box((x - eps).clamp(min=0), (x + eps).clamp(max=1))


def carried(module: nn.Module, box: Box, rules: Rules) -> Box:
    """The box of a layer's outputs for a box of inputs.

    Raises:
        NoBounds: the layer is not known.
    """
    check_layer(module)
    return rule(module, box, rules)


def keeps_logits(hook: Hook) -> Hook:
    """Marks a forward hook that leaves logits (n, classes) as they are, so that bounds hold with it."""
    setattr(hook, _KEEPS_LOGITS, True)
    return hook


def check_layer(module: nn.Module) -> None:
    """Raises NoBounds for a layer that is known by its class but computes something else.

    That is one with a ``forward`` of its own, or with hooks that are not marked by ``keeps_logits``.
    """
    known = next(each for each in type(module).__mro__ if each in rule.registry)
    if known is object:
        return  # it has no rule
    own = "forward" in vars(module) or type(module).__call__ is not nn.Module.__call__
    hooks = (*module._forward_hooks.values(), *module._forward_pre_hooks.values())
    hooked = any(not hasattr(hook, _KEEPS_LOGITS) for hook in hooks)
    if own or hooked or type(module).forward is not known.forward:
        raise NoBounds(
            f"a layer {type(module).__name__} has a forward function or hooks of its own, so the bounds of "
            f"{known.__name__} may not hold"
        )


@singledispatch
def rule(module: nn.Module, box: Box, rules: Rules) -> Box:
    """The box after a layer of a class; ``rule.register`` adds a class."""
    raise NoBounds(
        f"no interval bounds are known of a layer {type(module).__name__}; known are convolutions, linear layers, "
        "batch norm, ReLU, pooling and the layers of the zoo"
    )


def batch_norm_scale(module: nn.BatchNorm2d, like: Tensor) -> Float[Tensor, " channels"]:
    """The factor of every channel in eval mode, in the type and on the device of ``like``.

    Raises:
        NoBounds: it has no running statistics.
    """
    if module.running_var is None:
        raise NoBounds("no bounds are known of batch norm without running statistics")
    scale = 1 / torch.sqrt(module.running_var.to(like) + module.eps)
    return scale if module.weight is None else scale * module.weight.to(like)


def _weighted(
    box: Box,
    apply: Callable[[Tensor, Tensor], Tensor],
    weight: Tensor,
    terms: int,
    unit: float,
    bias: Tensor | None,
) -> Box:
    """The box after sums of ``terms`` products with the weights, and a bias."""
    weight = weight.to(box.lo)
    middle, radius = apply(box.middle, weight), apply(box.radius, weight.abs())
    sizes = apply(box.size, weight.abs()) if unit else radius
    if bias is not None:
        middle, sizes = middle + bias.to(middle), sizes + bias.to(middle).abs()
    return Box(middle - radius, middle + radius).wider(sizes, terms + 2, unit)


@rule.register
def _(module: nn.Linear, box: Box, rules: Rules) -> Box:
    return _weighted(box, F.linear, module.weight, module.in_features, rules.unit, module.bias)


@rule.register
def _(module: nn.Conv2d, box: Box, rules: Rules) -> Box:
    if module.padding_mode != "zeros":
        raise NoBounds(f"no interval bounds are known of padding {module.padding_mode!r}; use zeros")
    bias = None if module.bias is None else module.bias[:, None, None]
    rest = {name: getattr(module, name) for name in ("stride", "padding", "dilation", "groups")}
    apply = partial(F.conv2d, **rest)
    return _weighted(box, apply, module.weight, module.weight[0].numel(), rules.unit, bias)


@rule.register
def _(module: Block, box: Box, rules: Rules) -> Box:
    scale, shift = (each.to(box.lo) for each in rules.affine(module.norm))
    inner = module.conv.conv if isinstance(module.conv, ScaleConv) else module.conv
    assert isinstance(inner, LiftingConv | GroupConv)
    weight, bias = inner.expanded()
    if bias is not None:
        shift = shift + bias.to(scale) * scale
    weight = weight.to(scale) * scale[:, None, None, None]
    convolve = partial(F.conv2d, padding=inner.padding)

    def through(part: Box) -> Box:
        return _weighted(part, convolve, weight, weight[0].numel(), rules.unit, shift[:, None, None])

    box = _scaled(module.conv, box, rules, through) if isinstance(module.conv, ScaleConv) else through(box)
    return box.each(torch.relu)


@rule.register
def _(module: ScaleConv, box: Box, rules: Rules) -> Box:
    return _scaled(module, box, rules, lambda part: carried(module.conv, part, rules))


def _scaled(module: ScaleConv, box: Box, rules: Rules, through: Callable[[Box], Box]) -> Box:
    """The mean over scales of: resized, ``through`` the convolution, resized back."""
    parts = [
        carried(back, through(carried(there, box, rules)), rules)
        for there, back in zip(module.there, module.back, strict=True)
    ]
    return _sum(parts, [1 / len(parts)] * len(parts), rules.unit)


@rule.register
def _(module: Resize, box: Box, rules: Rules) -> Box:
    matrix = module.matrix
    rows = _weighted(box, lambda x, m: m @ x, matrix, module.size, rules.unit, None)
    return _weighted(rows, lambda x, m: x @ m.T, matrix, module.size, rules.unit, None)


@rule.register
def _(module: LiftingConv | GroupConv, box: Box, rules: Rules) -> Box:
    weight, bias = module.expanded()
    bias = None if bias is None else bias[:, None, None]
    apply = partial(F.conv2d, padding=module.padding)
    return _weighted(box, apply, weight, weight[0].numel(), rules.unit, bias)


@rule.register
def _(module: nn.BatchNorm2d, box: Box, rules: Rules) -> Box:
    scale = batch_norm_scale(module, box.lo)[:, None, None]
    assert module.running_mean is not None
    mean = module.running_mean.to(box.lo)[:, None, None] * scale
    bias = torch.zeros_like(mean) if module.bias is None else module.bias.to(box.lo)[:, None, None]
    after = _weighted(box, torch.mul, scale, 6, rules.unit, bias - mean)
    return after.wider(bias.abs() + mean.abs(), 6, rules.unit)


@rule.register
def _(module: Normalize, box: Box, rules: Rules) -> Box:
    return box.each(lambda x: (x - 0.5) / 0.5).wider(2 * box.size + 1, 3, rules.unit)


@rule.register
def _(module: Concatenate, box: Box, rules: Rules) -> Box:
    parts = [carried(branch, box, rules) for branch in module.branches]
    return Box(torch.cat([part.lo for part in parts], 1), torch.cat([part.hi for part in parts], 1))


@rule.register
def _(module: WeightedSum, box: Box, rules: Rules) -> Box:
    parts = [carried(branch, box, rules) for branch in module.branches]
    return _sum(parts, module.logits.softmax(0), rules.unit)


def _sum(parts: list[Box], weights: list[float] | Tensor, unit: float) -> Box:
    """The box of Σ w·part, w >= 0."""
    shares = [w.to(parts[0].lo) if isinstance(w, Tensor) else w for w in weights]
    lo, hi, sizes = (
        torch.stack([share * value for share, value in zip(shares, values, strict=True)]).sum(0)
        for values in zip(*((part.lo, part.hi, part.size) for part in parts), strict=True)
    )
    return Box(lo, hi).wider(sizes, len(parts) + 2, unit)


@rule.register(nn.ReLU)
@rule.register(nn.MaxPool2d)
@rule.register(GroupPool)
@rule.register(nn.Flatten)
@rule.register(nn.Identity)
@rule.register(nn.Dropout)
def _(module: nn.Module, box: Box, rules: Rules) -> Box:
    return Box(module(box.lo.clone()), module(box.hi.clone()))


@rule.register(nn.AvgPool2d)
@rule.register(nn.AdaptiveAvgPool2d)
def _(module: nn.AvgPool2d | nn.AdaptiveAvgPool2d, box: Box, rules: Rules) -> Box:
    if (getattr(module, "divisor_override", None) or 1) < 0:
        raise NoBounds("no bounds are known of average pooling with a negative divisor")
    return box.averaged(module, rules.unit)


def pooled(head: Head, box: Box, rules: Rules) -> Box:
    """The box after the head's layers before its linear one."""
    return carried(head.pool, box.averaged(lambda x: x.mean((2, 3)), rules.unit), rules)


@rule.register
def _(module: Head, box: Box, rules: Rules) -> Box:
    return carried(module.linear, pooled(module, box, rules), rules)


@rule.register
def _(module: nn.Sequential, box: Box, rules: Rules) -> Box:
    for part in module:
        box = carried(part, box, rules)
    return box


@rule.register
def _(module: Classifier, box: Box, rules: Rules) -> Box:
    for part in (module.normalize, module.front, module.trunk, module.head):
        box = carried(part, box, rules)
    return box


@rule.register
def _(module: Deployed, box: Box, rules: Rules) -> Box:
    return carried(module.body, box, rules)
