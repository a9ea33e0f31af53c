"""What rows and pages say of a model."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What rows and pages say of a model.

    Attributes:
        name: name in tables.
        weights: sha256 of its weights.
        trained_on: data set it was trained on, ``unknown`` for a foreign model.
        parameters: number of trainable values.
        origin: ``zoo``, ``file``, ``entry point``, ``python``, or a library's name.
        precision: what it is given its images in, ``float32`` or ``float64``.
        suspect: kinds of what ``bench.inputs.first_look`` found, with ``;`` between; empty for none.
    """

    name: str
    weights: str
    trained_on: str
    parameters: int
    origin: str
    precision: str = "float32"
    suspect: str = field(default="", compare=False)
