"""The parallel design with a scale branch only: the ablation of the paper's Figure 6."""

from __future__ import annotations

from zoo.layers import Concatenate
from zoo.models.branches import scale, standard
from zoo.models.classifier import Classifier
from zoo.models.layout import Layout


def parallel_gcnn_scale(layout: Layout) -> Classifier:
    """Layer 1: standard ‖ scale."""
    image, width = layout.image_channels, layout.channels[0]
    return Classifier(
        layout, Concatenate(standard(image, width), scale(image, width, layout.size)), 2 * width
    )
