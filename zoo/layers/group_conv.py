"""Group convolutions (Cohen & Welling 2016; the paper's App. C.1.1), each as one plain convolution.

Feature maps over a group are plain tensors (n, fields·order, h, w) with the group axis fastest, so pointwise layers and
poolings work without the group. Over the trivial group C1 both layers are ordinary convolutions.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from zoo.layers.group import Group


class _Expanded(nn.Module, ABC):
    """What both layers share: a filter an output field, expanded to its transforms for one ``conv2d``."""

    def __init__(self, fields: int, filter_shape: tuple[int, ...], group: Group, bias: bool) -> None:
        super().__init__()
        *_, kernel = filter_shape
        if kernel % 2 == 0:
            raise ValueError(f"kernel={kernel} has no centre to turn about; use an odd size")
        self.group = group
        self.padding = kernel // 2
        self.weight = nn.Parameter(torch.empty(fields, *filter_shape))
        self.bias = nn.Parameter(torch.zeros(fields)) if bias else None
        nn.init.normal_(self.weight, std=math.sqrt(2 / math.prod(filter_shape)))

    @abstractmethod
    def transformed(self, g: int) -> Float[Tensor, "fields channels k k"]:
        """The filters moved by element ``g``."""
        ...

    def expanded(self) -> tuple[Float[Tensor, "outputs channels k k"], Float[Tensor, " outputs"] | None]:
        """Weight (fields·order, channels, k, k) and bias (fields·order,) of the equal plain convolution."""
        turned = [self.transformed(g) for g in range(self.group.order)]
        bias = None if self.bias is None else self.bias.repeat_interleave(self.group.order)
        return torch.stack(turned, 1).flatten(0, 1), bias

    def forward(self, x: Float[Tensor, "n channels h w"]) -> Float[Tensor, "n outputs h w"]:
        return F.conv2d(x, *self.expanded(), padding=self.padding)

    def folded(self, scale: Float[Tensor, " outputs"], shift: Float[Tensor, " outputs"]) -> nn.Module:
        """The plain convolution equal to this one and then ``scale · y + shift``, per output channel."""
        weight, bias = self.expanded()
        return plain_conv(weight, shift if bias is None else shift + bias * scale, scale, self.padding)


class LiftingConv(_Expanded):
    """From an image to the group: (n, in_channels, h, w) → (n, fields·order, h, w), 'same' zero padding.

    Output at element g is the correlation with the filter moved by g, so moving the input by h moves the
    output as ``Group.act`` says. Raises ValueError for an even ``kernel``.
    """

    def __init__(self, in_channels: int, fields: int, kernel: int, group: Group, bias: bool = False) -> None:
        super().__init__(fields, (in_channels, kernel, kernel), group, bias)

    def transformed(self, g: int) -> Float[Tensor, "fields channels k k"]:
        return self.group.transform(self.weight, g)


class GroupConv(_Expanded):
    """From the group to the group: (n, in_fields·order, h, w) → (n, out_fields·order, h, w), 'same' padding.

    Filters have the shape (out_fields, in_fields, order, k, k); at element g they are moved by g in space and
    along the group axis. Raises ValueError for an even ``kernel``.
    """

    left: Tensor

    def __init__(
        self, in_fields: int, out_fields: int, kernel: int, group: Group, bias: bool = False
    ) -> None:
        super().__init__(out_fields, (in_fields, group.order, kernel, kernel), group, bias)
        # an index on the device: a list would be copied there at every call, and the host would wait
        self.register_buffer("left", torch.tensor(group.left), persistent=False)

    def transformed(self, g: int) -> Float[Tensor, "fields channels k k"]:
        return self.group.transform(self.weight[:, :, self.left[g]], g).flatten(1, 2)


def plain_conv(
    weight: Float[Tensor, "outputs channels k k"],
    bias: Float[Tensor, " outputs"],
    scale: Float[Tensor, " outputs"],
    padding: int,
) -> nn.Conv2d:
    """A convolution with filters ``weight · scale``, computed in float64, in the type of ``weight``."""
    filters = weight.detach().double() * scale.double()[:, None, None, None]
    outputs, inputs, kernel, _ = weight.shape
    # made without storage: initialising it would draw from the caller's random state
    conv = nn.Conv2d(inputs, outputs, kernel, padding=padding, device="meta")
    conv.weight = nn.Parameter(filters.to(weight.dtype))
    conv.bias = nn.Parameter(bias.to(weight.device, weight.dtype))
    return conv
