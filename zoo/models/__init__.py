"""The architectures, one a file, and ``build``."""

from __future__ import annotations

from collections.abc import Callable

from zoo.entries import Entry, parsed
from zoo.models.baseline_cnn import baseline_cnn
from zoo.models.cascaded_gcnn import cascaded_gcnn
from zoo.models.classifier import Classifier
from zoo.models.equivariant_gcnn import equivariant_gcnn
from zoo.models.layout import Layout, layout
from zoo.models.parallel_gcnn import parallel_gcnn
from zoo.models.parallel_gcnn_rs import parallel_gcnn_rs
from zoo.models.parallel_gcnn_scale import parallel_gcnn_scale
from zoo.models.weighted_gcnn_rs import weighted_gcnn_rs

__all__ = ["ARCHITECTURES", "Classifier", "build"]

ARCHITECTURES: dict[str, Callable[[Layout], Classifier]] = {
    "baseline_cnn": baseline_cnn,
    "parallel_gcnn": parallel_gcnn,
    "parallel_gcnn_rs": parallel_gcnn_rs,
    "parallel_gcnn_scale": parallel_gcnn_scale,
    "cascaded_gcnn": cascaded_gcnn,
    "weighted_gcnn_rs": weighted_gcnn_rs,
    "equivariant_gcnn": equivariant_gcnn,
}


def build(
    model: str | Entry,
    *,
    channels: int = 3,
    classes: int = 10,
    size: int = 32,
    width: float | str = 1.0,
) -> Classifier:
    """A fresh model, (n, channels, size, size) in [0, 1] → (n, classes), from torch's global random state.

    Args:
        model: an entry of the zoo or its name; recipe and seed do not matter here.
        channels: 1 or 3.
        classes: 2 or more.
        size: divisible by 8, 16 or more; images are square.
        width: factor on all channel counts, or ``"released"`` for the channel counts of the paper's scripts.

    Raises:
        UnknownModel: no such name.
        ValueError: a size, class or channel count outside the ranges above.
    """
    wanted = parsed(model) if isinstance(model, str) else model
    sizes = layout(wanted.depth, width, channels=channels, size=size, classes=classes)
    return ARCHITECTURES[wanted.architecture](sizes)
