"""The parallel design (the paper's sec. 6.1, App. C.3): branches side by side, concatenated."""

from __future__ import annotations

from zoo.layers import Concatenate
from zoo.models.branches import rotation, standard
from zoo.models.classifier import Classifier
from zoo.models.layout import Layout


def parallel_gcnn(layout: Layout) -> Classifier:
    """Layer 1: standard ‖ rotation."""
    image, width = layout.image_channels, layout.channels[0]
    return Classifier(layout, Concatenate(standard(image, width), rotation(image, width)), 2 * width)
