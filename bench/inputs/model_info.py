"""What rows and pages say of a model."""

from __future__ import annotations

from dataclasses import dataclass, field

FOLDED = " folded"  # the backend of a cell ends in this if the model was folded


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """The description of a model in rows and pages.

    Attributes:
        name: name in tables.
        weights: sha256 of its weights.
        trained_on: data set it was trained on, ``unknown`` for a foreign model.
        parameters: number of trainable values.
        origin: ``zoo``, ``file``, ``entry point``, ``python``, or a library's name.
        precision: type of its images, ``float32`` or ``float64``.
        folded: whether it is measured as its folded equal (see ``bench.inputs.folding``).
        suspect: kinds of the findings of ``bench.inputs.first_look``, with ``;`` between; empty for none.
    """

    name: str
    weights: str
    trained_on: str
    parameters: int
    origin: str
    precision: str = "float32"
    folded: bool = False
    suspect: str = field(default="", compare=False)

    def backend(self, kernels: str) -> str:
        """The backend of its cells: the kernels, and whether the model is folded, as its bits then differ."""
        return kernels + FOLDED * self.folded
