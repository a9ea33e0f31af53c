"""The parallel design fused by a weighted sum (the paper's sec. 6.1) in place of concatenation."""

from __future__ import annotations

from zoo.layers import WeightedSum
from zoo.models.branches import rotation, scale, standard
from zoo.models.classifier import Classifier
from zoo.models.layout import Layout


def weighted_gcnn_rs(layout: Layout) -> Classifier:
    """Layer 1: softmax-weighted sum of standard, rotation and scale."""
    image, width = layout.image_channels, layout.channels[0]
    front = WeightedSum(standard(image, width), rotation(image, width), scale(image, width, layout.size))
    return Classifier(layout, front, width)
