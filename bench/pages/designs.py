"""The design of a model, by which tables are filtered and sorted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bench.inputs.model_info import ModelInfo
from zoo.entries import UnknownModel, parsed
from zoo.recipes import FROM_ABSTRACTS


@dataclass(frozen=True, slots=True)
class Design:
    """Recipe and depth of a model of the zoo; unknown for other models."""

    recipe: str = "own model"
    depth: str = "unknown"


def design_of(info: ModelInfo) -> Design:
    """The design that a model's name states, if it is one of the zoo's."""
    if info.origin != "zoo":
        return Design()
    try:
        entry = parsed(info.name)
    except UnknownModel:
        return Design()
    return Design(entry.recipe, f"{entry.depth} layers")


def from_abstracts(infos: Iterable[ModelInfo]) -> tuple[str, ...]:
    """The recipes of these models whose formulas are ours, because we had only the abstract of their paper."""
    used = {design_of(info).recipe for info in infos}
    return tuple(recipe for recipe in FROM_ABSTRACTS if recipe in used)
