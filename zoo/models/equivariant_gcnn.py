"""The fully equivariant design (the paper's App. D): every convolution is over the group."""

from __future__ import annotations

from zoo.layers import P4, Group, lifting_block
from zoo.models.classifier import Classifier, fields_of
from zoo.models.layout import Layout


def equivariant_gcnn(layout: Layout, group: Group = P4) -> Classifier:
    """The logits are invariant to every element of ``group``, up to rounding."""
    fields = fields_of(layout.channels[0], group)
    return Classifier(layout, lifting_block(layout.image_channels, fields, group), fields, group)
