"""The common parts of every architecture: normalisation, trunk, head."""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor, nn

from zoo.layers import C1, Group, GroupPool, Normalize, group_block
from zoo.models.layout import Layout


def fields_of(channels: int, group: Group) -> int:
    """Fields that cost as many parameters as ``channels`` ordinary channels: F fields take F²·order."""
    return max(1, round(channels / math.sqrt(group.order)))


class Trunk(nn.Sequential):
    """Layers 2 to the last, and the poolings: (n, in_fields·order, s, s) → (n, fields·order, s/8, s/8)."""

    def __init__(self, layout: Layout, front_fields: int, group: Group) -> None:
        widths = [front_fields, *(fields_of(count, group) for count in layout.channels[1:])]
        layers: list[nn.Module] = []
        for number in range(1, len(widths) + 1):
            if number > 1:
                layers.append(group_block(widths[number - 2], widths[number - 1], group))
            if number in layout.pooled:
                layers.append(nn.MaxPool2d(2))
        super().__init__(*layers)


class Head(nn.Module):
    """Mean over space, maximum over the group, linear: (n, fields·order, h, w) → (n, classes)."""

    def __init__(self, fields: int, classes: int, group: Group) -> None:
        super().__init__()
        self.pool = GroupPool(group)
        self.linear = nn.Linear(fields, classes)

    def forward(self, x: Float[Tensor, "n channels h w"]) -> Float[Tensor, "n classes"]:
        return self.linear(self.pool(x.mean((2, 3))))


class Classifier(nn.Module):
    """Images (n, channels, size, size) in [0, 1] → logits (n, classes).

    ``front`` is layer 1, the only difference between architectures of one depth; the fully equivariant one differs in
    the group its layers are convolutions over, and declares it: ``symmetry`` is the name of the group that leaves the
    logits as they are, ``None`` without one.

    Raises:
        ValueError: on a call with images of another shape than the model was built for.
    """

    def __init__(self, layout: Layout, front: nn.Module, front_fields: int, group: Group = C1) -> None:
        super().__init__()
        self.image_shape = (layout.image_channels, layout.size, layout.size)
        self.classes = layout.classes
        self.symmetry = group.name if group.order > 1 else None
        self.normalize = Normalize()
        self.front = front
        self.trunk = Trunk(layout, front_fields, group)
        self.head = Head(fields_of(layout.channels[-1], group), layout.classes, group)

    def forward(self, x: Float[Tensor, "*images"]) -> Float[Tensor, "n {self.classes}"]:
        if x.ndim != 4 or tuple(x.shape[1:]) != self.image_shape:
            wanted = ", ".join(map(str, self.image_shape))
            raise ValueError(
                f"images of shape {tuple(x.shape)}: this model takes (n, {wanted}); build it for that size"
            )
        return self.head(self.trunk(self.front(self.normalize(x))))
