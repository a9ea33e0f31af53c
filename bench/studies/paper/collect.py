"""Reads a reproduction from a store; the only way from the store to its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bench.engine.store import Store, read_runs
from bench.inputs.model_info import ModelInfo
from bench.studies.mip.cells import MipSetting
from bench.studies.mip.evaluation import collect_mip
from bench.studies.mip.results import MipResults
from bench.studies.paper import Corrupted, Reproduction
from bench.studies.robustness.history import chapter_of, chapter_results
from bench.studies.robustness.results import Results


def collect_reproduction(store: Store, run: Mapping[str, Any], failed: Sequence[str] = ()) -> Reproduction:
    """The stored results of a run, which may be fewer than requested.

    The numbers beside the paper's are of one training run each; where there are replicas, they are kept apart.

    Args:
        store: where the cells are.
        run: the manifest, as ``bench.studies.paper.plan.Plan`` makes it.
        failed: cells that failed, with the reason.
    """
    page = {**run["page"], "versions": dict(sorted(run["page"]["versions"].items()))}
    results = [_results(store, part) for part in run["plain"]]
    replicas = [_results(store, part, replicas=True) for part in run["plain"]]
    corrupted = [(part, _results(store, part)) for part in run["corrupted"]]
    return Reproduction(
        **{**page, "sections": tuple(page["sections"])},
        results=tuple(each for each in results if each.models),
        corrupted=tuple(
            Corrupted(results=each, groups=groups, official=run["official"])
            for part, each in corrupted
            if each.models and (groups := chapter_of(part).groups) is not None
        ),
        mip=_removal(store, run),
        replicas=tuple(each for each in replicas if each.models),
        failed=tuple(failed),
    )


def reproductions(store: Store, dataset: str | None = None) -> dict[str, dict[str, Any]]:
    """The newest run on each data set, by its name.

    Args:
        store: where the runs are.
        dataset: only runs on this data set.
    """
    found = dict(read_runs(store, "reproduction", lambda run: (run["page"]["dataset"], dict(run))))
    return {name: run for name, run in found.items() if dataset in (None, name)}


def _results(store: Store, part: Mapping[str, Any], *, replicas: bool = False) -> Results:
    """The models whose whole ε grid is there: those of seed 0, or all trainings of those with replicas."""
    chapter = chapter_of(part)
    several = {info.name.partition("@")[0] for info in chapter.asked if "@" in info.name}
    asked = {
        info: requests
        for info, requests in chapter.asked.items()
        if (info.name.partition("@")[0] in several if replicas else "@" not in info.name)
    }
    return chapter_results(store, replace(chapter, asked=asked))[0]


def _removal(store: Store, run: Mapping[str, Any]) -> MipResults | None:
    if run["mip"] is None:
        return None
    found = collect_mip(
        store,
        MipSetting(**run["mip"]["setting"]),
        [ModelInfo(**each) for each in run["mip"]["models"]],
        versions=run["page"]["versions"],
        command=run["page"]["command"],
    )
    return found if found.models else None
