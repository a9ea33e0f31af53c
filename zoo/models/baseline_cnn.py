"""Baseline: ordinary convolutions only."""

from __future__ import annotations

from zoo.models.branches import standard
from zoo.models.classifier import Classifier
from zoo.models.layout import Layout


def baseline_cnn(layout: Layout) -> Classifier:
    """Layer 1 is one ordinary convolution."""
    width = layout.channels[0]
    return Classifier(layout, standard(layout.image_channels, width), width)
