"""Stored cells of studies without attack curves, joined over shards.

Each has a setting, cells that wait for no other, results of its own and a page of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from bench.engine.cell import Cell
from bench.engine.result import CellResult
from bench.engine.store import Store, read_runs
from bench.inputs.model_info import ModelInfo
from bench.studies.shared.commands import joined_commands

SettingT = TypeVar("SettingT")
TakenT = TypeVar("TakenT", contravariant=True)
ResultT = TypeVar("ResultT")
ResultsT = TypeVar("ResultsT", covariant=True)


@runtime_checkable
class Collect(Protocol[TakenT, ResultsT]):
    """The stored results of an evaluation; a model with a missing cell is left out."""

    def __call__(
        self,
        store: Store,
        setting: TakenT,
        models: Sequence[ModelInfo],
        *,
        versions: Mapping[str, str],
        command: str,
        failed: Sequence[str] = (),
    ) -> ResultsT: ...


def collecting(
    result: Callable[[Store, SettingT, ModelInfo], ResultT | None], results: Callable[..., ResultsT]
) -> Collect[SettingT, ResultsT]:
    """A ``Collect``; ``result`` gives one model's result, or ``None`` for a missing cell; ``results`` joins all."""

    def collect(
        store: Store,
        setting: SettingT,
        models: Sequence[ModelInfo],
        *,
        versions: Mapping[str, str],
        command: str,
        failed: Sequence[str] = (),
    ) -> ResultsT:
        found = [result(store, setting, model) for model in models]
        return results(
            setting=setting,
            models=tuple(each for each in found if each is not None),
            versions=versions,
            command=command,
            failed=tuple(failed),
        )

    return collect


def history(
    store: Store,
    kind: str,
    dataset: str | None,
    setting_of: Callable[[Mapping[str, Any]], SettingT],
    collect: Collect[SettingT, ResultsT],
) -> list[ResultsT]:
    """All settings a store has runs of, the newest first, each with all its models.

    The models of the newest run come first, in its order. Of weights that share a name the newest are taken.

    Args:
        store: where runs and cells are.
        kind: of the runs.
        dataset: only settings on this data set.
        setting_of: the setting, which must be hashable, of the fields that a run keeps.
        collect: the results of a setting; versions are those of its newest run, command those of all runs.
    """
    found: dict[SettingT, tuple[dict[str, ModelInfo], list[tuple[Mapping[str, Any], list[str]]]]] = {}

    def read(run: Mapping[str, Any]) -> tuple[str, SettingT, dict[str, ModelInfo], Mapping[str, Any]]:
        page = {name: run[name] for name in ("versions", "command")}
        models = {each["name"]: ModelInfo(**each) for each in run["models"]}
        return run["setting"]["dataset"], setting_of(run["setting"]), models, page

    for measured_on, setting, models, run in read_runs(store, kind, read):
        if dataset not in (None, measured_on):
            continue
        known, before = found.pop(setting, ({}, []))
        earlier = {name: info for name, info in known.items() if name not in models}
        found[setting] = (models | earlier, [(run, [*models]), *before])
    results = []
    for setting, (models, runs) in reversed(found.items()):
        versions = runs[0][0]["versions"]
        command = joined_commands((run["command"], names) for run, names in runs)
        results.append(collect(store, setting, list(models.values()), versions=versions, command=command))
    return results


def whole(store: Store, cells: Iterable[Cell]) -> list[CellResult]:
    """The results of all the cells, or none if one is missing."""
    found = [store.get(cell.key, images=False) for cell in cells]
    return [each.result for each in found if each is not None] if all(found) else []


def joined(shards: Sequence[CellResult], name: str) -> np.ndarray:
    """An array of all the shards' images."""
    return np.concatenate([shard.arrays[name] for shard in shards])


def digest(shards: Iterable[CellResult]) -> str:
    """sha256 over the shards' results."""
    return hashlib.sha256("".join(shard.digest for shard in shards).encode()).hexdigest()
