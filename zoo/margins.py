"""Bounds of the margins of a classifier over boxes of images, and the boxes of a network that is being trained."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from zoo.deployment import Deployed
from zoo.intervals import Box, NoBounds, Rules, carried, check_layer, pooled
from zoo.layers import GroupBatchNorm
from zoo.models.classifier import Classifier, Head

Part = Callable[[Box, Rules], Box]
EXACT = Rules()


def margins(
    model: nn.Module,
    box: Box,
    y: Int64[Tensor, " n"],
    rules: Rules = EXACT,
    classes: int | None = None,
) -> Float[Tensor, "n classes"]:
    """Lower bounds of z_y − z_j for every class j, over all images of a box; 0 for j = y.

    A linear layer that comes last is joined with the difference, so that the bounds of a linear model are exact.

    Args:
        model: in eval mode, of layers that ``carried`` knows.
        box: of images (n, c, h, w), in the type that bounds are computed in.
        y: labels (n,).
        rules: how boxes are carried.
        classes: number of outputs to check.

    Raises:
        NoBounds: a layer is not known, or the last one does not give a number for each class.
    """
    before, last = _split(model)
    for part in before:
        box = part(box, rules)
    outputs = box.lo.shape[1] if last is None else last.out_features
    if classes not in (None, outputs):
        raise NoBounds(f"its last layer gives {outputs} numbers for {classes} classes")
    if last is None:
        found = box.lo.gather(1, y[:, None]) - box.hi
        return found.scatter(1, y[:, None], 0.0)
    weight, bias = last.weight.to(box.lo), _bias(last).to(box.lo)
    rows, constants = weight[y][:, None] - weight, bias[y][:, None] - bias
    low = torch.einsum("nkd,nd->nk", rows, box.middle) + constants
    low = low - torch.einsum("nkd,nd->nk", rows.abs(), box.radius)
    if not rules.unit:
        return low
    sizes = F.linear(box.size, weight.abs(), bias.abs())
    sizes = sizes + sizes.gather(1, y[:, None])
    wide = Box(low, low).wider(sizes, last.in_features + 2, rules.unit)
    return wide.lo.scatter(1, y[:, None], 0.0)


def _split(model: nn.Module) -> tuple[list[Part], nn.Linear | None]:
    """The layers before a last linear layer, in order, and that layer."""
    check_layer(model)
    if isinstance(model, Deployed):
        return _split(model.body)
    if isinstance(model, nn.Linear):
        return [], model
    if isinstance(model, Head):
        return [partial(pooled, model)], model.linear
    parts = [model.normalize, model.front, model.trunk, model.head] if isinstance(model, Classifier) else []
    if isinstance(model, nn.Sequential):
        parts = list(model)
    if not parts:
        return [partial(carried, model)], None
    before, last = _split(parts[-1])
    return [*(partial(carried, part) for part in parts[:-1]), *before], last


def _bias(layer: nn.Linear) -> Tensor:
    return layer.weight.new_zeros(layer.out_features) if layer.bias is None else layer.bias


@contextlib.contextmanager
def batch_statistics(model: nn.Module) -> Iterator[Rules]:
    """Rules for training: each batch norm scales as it did in the last forward pass within, in train mode."""
    seen: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def note(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, GroupBatchNorm)
        maps = inputs[0].unflatten(1, (norm.num_features, -1))
        variance, mean = torch.var_mean(maps, dim=(0, 2, 3, 4), correction=0)
        scale = norm.weight / torch.sqrt(variance + norm.eps)
        shift = norm.bias - mean * scale
        order = norm.group.order
        seen[norm] = scale.repeat_interleave(order), shift.repeat_interleave(order)

    norms = [each for each in model.modules() if isinstance(each, GroupBatchNorm)]
    hooks = [norm.register_forward_pre_hook(note) for norm in norms]
    try:
        yield Rules(affine=lambda norm: seen[norm])
    finally:
        for hook in hooks:
            hook.remove()
