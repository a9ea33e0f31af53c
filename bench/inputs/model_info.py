"""What rows and pages say of a model."""

from __future__ import annotations

from dataclasses import dataclass, field

FOLDED = " folded"  # end of the backend of cells that a folded model is measured in


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
        folded: whether it is measured as its folded equal (see ``bench.inputs.folding``).
        suspect: kinds of what ``bench.inputs.first_look`` found, with ``;`` between; empty for none.
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
        """The backend of its cells: the kernels, and that they compute the folded equal, whose bits differ."""
        return kernels + FOLDED * self.folded
