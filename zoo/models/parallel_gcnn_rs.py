"""The parallel design with a rotation and a scale branch (the paper's sec. 6.1, App. C.3)."""

from __future__ import annotations

from zoo.layers import Concatenate
from zoo.models.branches import rotation, scale, standard
from zoo.models.classifier import Classifier
from zoo.models.layout import Layout


def parallel_gcnn_rs(layout: Layout) -> Classifier:
    """Layer 1: standard ‖ rotation ‖ scale."""
    image, width = layout.image_channels, layout.channels[0]
    front = Concatenate(standard(image, width), rotation(image, width), scale(image, width, layout.size))
    return Classifier(layout, front, 3 * width)
