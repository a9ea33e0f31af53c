"""Symbench measures the adversarial robustness of image classifiers.

``bench.evaluate(model, x, y, attacks=("fgsm", "pgd"), eps=8/255)`` measures a user's own model, also on a torch
``Dataset`` or ``DataLoader`` in place of ``x, y``, and
``bench.leaderboard_rows(results)`` makes leaderboard rows of the results. The command line does the rest.
Importing this package loads nothing heavy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.engine.store import DirectoryStore, MemoryStore
    from bench.errors import CellError, UsageError
    from bench.studies.robustness.api import evaluate
    from bench.studies.robustness.results import Results
    from bench.studies.robustness.rows import rows as leaderboard_rows

__all__ = [
    "CellError",
    "DirectoryStore",
    "MemoryStore",
    "Results",
    "UsageError",
    "evaluate",
    "leaderboard_rows",
]

_HOMES = {
    "CellError": ("bench.errors", "CellError"),
    "DirectoryStore": ("bench.engine.store", "DirectoryStore"),
    "MemoryStore": ("bench.engine.store", "MemoryStore"),
    "Results": ("bench.studies.robustness.results", "Results"),
    "UsageError": ("bench.errors", "UsageError"),
    "evaluate": ("bench.studies.robustness.api", "evaluate"),
    "leaderboard_rows": ("bench.studies.robustness.rows", "rows"),
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        module, attribute = _HOMES[name]
        return getattr(importlib.import_module(module), attribute)
    raise AttributeError(f"module 'bench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
