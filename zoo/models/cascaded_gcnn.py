"""The cascaded design (the paper's App. C.4, Figure 4): one after the other."""

from __future__ import annotations

from torch import nn

from zoo.models.branches import rotation, scale, standard
from zoo.models.classifier import Classifier
from zoo.models.layout import Layout


def cascaded_gcnn(layout: Layout) -> Classifier:
    """Layer 1: standard → rotation → scale.

    The rotation layer reads ordinary channels, which do not turn with the image, as the paper has it.
    """
    width = layout.channels[0]
    front = nn.Sequential(
        standard(layout.image_channels, width), rotation(width, width), scale(width, width, layout.size)
    )
    return Classifier(layout, front, width)
