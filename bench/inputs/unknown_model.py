"""The error for a model name that nothing has, with all ways to name a model."""

from __future__ import annotations

import difflib
from pathlib import Path

from bench.errors import UsageError, nearest
from bench.inputs.libraries import LIBRARIES, library_names
from bench.inputs.own_models import entry_points
from zoo.entries import ENTRIES

WAYS = f"FILE.py:FACTORY, {':NAME, '.join(LIBRARIES)}:NAME or an installed entry point"


def unknown_model(target: str) -> UsageError:
    """The error that no model has this name, with similar names and all ways to name one."""
    file, colon, factory = target.rpartition(":")
    if colon and Path(f"{file}.py").is_file():  # as rows call it
        return UsageError(f"unknown model {target!r}; did you mean {file}.py:{factory}?")
    return UsageError(f"unknown model {target!r}; {_nearest(target)}; or give {WAYS}")


def _nearest(target: str) -> str:
    """Similar names of the zoo, of entry points, and of torchvision, which is always installed."""
    bare = {name: f"torchvision:{name}" for name in library_names("torchvision")}
    if target.lower() in bare:
        return f"nearest: {bare[target.lower()]}"
    known = [*ENTRIES, *entry_points()]
    close = difflib.get_close_matches(target, [*known, *bare], n=3, cutoff=0.5)
    return (
        f"nearest: {', '.join(bare.get(name, name) for name in close)}" if close else nearest(target, known)
    )
