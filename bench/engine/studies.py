"""Finds studies by name: those of this package, and those of plug-ins."""

from __future__ import annotations

import importlib
from functools import cache
from importlib import metadata
from typing import Any

from bench.errors import UsageError

TABLE = "bench.studies"  # known by name only: studies are built on the engine


def plugin_names() -> list[str]:
    """Names of the studies of installed packages, without names that we use ourselves."""
    table = importlib.import_module(TABLE)
    return sorted({each.name for each in metadata.entry_points(group=table.GROUP)} - set(table.STUDIES))


@cache
def find_study(name: str) -> Any:
    """A study (``bench.engine.study.Study``) by the name of its command.

    Raises:
        UsageError: a plug-in cannot be loaded.
    """
    table = importlib.import_module(TABLE)
    if name in table.STUDIES:
        return importlib.import_module(f"{table.STUDIES[name][0]}.study").STUDY
    (found, *_) = metadata.entry_points(group=table.GROUP, name=name)
    try:
        return found.load()
    except Exception as fault:  # anything that the plug-in's code raises
        raise UsageError(
            f"the study {name!r} of {found.value.partition(':')[0]} cannot be loaded "
            f"({type(fault).__name__}: {fault}); reinstall or remove the package"
        ) from fault


def all_names() -> list[str]:
    """Names of all studies, our own first."""
    return [*importlib.import_module(TABLE).STUDIES, *plugin_names()]
