"""Image classifiers with and without built-in symmetry: data, models, training recipes, trained weights.

`import zoo` loads neither torch nor numpy; each name below loads what it needs when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from zoo.entries import ENTRIES, PAPER_NAMES, UnknownModel, entry

if TYPE_CHECKING:
    from zoo import data, recipes
    from zoo.deployment import deploy
    from zoo.models import build
    from zoo.registry import WeightsError, WeightsRecord, find, load, load_record, shipped

__all__ = [
    "ENTRIES",
    "PAPER_NAMES",
    "UnknownModel",
    "WeightsError",
    "WeightsRecord",
    "build",
    "data",
    "deploy",
    "entry",
    "find",
    "load",
    "load_record",
    "names",
    "recipes",
    "shipped",
]

_REGISTRY = ("WeightsError", "WeightsRecord", "find", "load", "load_record", "shipped")
_HOMES = {"build": "zoo.models", "deploy": "zoo.deployment", **dict.fromkeys(_REGISTRY, "zoo.registry")}


def names() -> tuple[str, ...]:
    """The names of all models of the zoo."""
    return tuple(ENTRIES)


def __getattr__(name: str) -> Any:
    if name in ("data", "recipes"):
        return importlib.import_module(f"zoo.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'zoo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
