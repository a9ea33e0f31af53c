"""Surrogates that are not of the zoo: an attack uses their gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.inputs.sources import ModelSource


@dataclass(frozen=True, slots=True)
class OwnSurrogates:
    """Sources of the surrogates.

    Attributes:
        sources: each with its name in requests and rows; the name ends in digits of the model's digest.
    """

    sources: tuple[tuple[str, ModelSource], ...]


def is_foreign(target: str) -> bool:
    """Whether a surrogate is a ``FILE.py:FACTORY``, an installed model or one of a library; else it is of the zoo."""
    from bench.inputs.libraries import LIBRARIES
    from bench.inputs.own_models import entry_points

    return ".py:" in target or target.partition(":")[0] in LIBRARIES or target in entry_points()
