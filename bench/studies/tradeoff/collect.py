"""Reads a trade-off from a store; the only way from the store to its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.engine.store import Store, read_runs
from bench.inputs.model_info import ModelInfo
from bench.studies.robustness.history import chapter_of, chapter_results
from bench.studies.robustness.results import ModelResult, Results
from bench.studies.spatial.evaluation import collect_spatial
from bench.studies.spatial.results import SpatialResults
from bench.studies.spatial.setting import SpatialSetting
from bench.studies.tradeoff.results import ATTACK_NAMES, Replica, Tradeoff


def collect_tradeoff(store: Store, run: Mapping[str, Any], failed: Sequence[str] = ()) -> Tradeoff:
    """The stored results of a run; a model with a missing cell of PGD or rotations is left out.

    Args:
        store: where the cells are.
        run: the manifest, as ``TradeoffPlan`` makes it.
        failed: cells that failed, with the reason.
    """
    page = run["page"]
    pgd = _results(store, run["pgd"])
    front = pgd if run["front"] is None else _results(store, run["front"])
    spatial = _turned(store, run)
    attacked = {each.info: each for each in front.models}
    turned = {each.info: each for each in spatial.models}
    replicas = {
        model.info.name: Replica(
            info=model.info,
            clean=model.clean.correct,
            turned=np.stack(
                [turned[model.info].random("rotate", at).right for at in spatial.setting.rotations]
            ),
            standing=model.curves[0].standing,
            front=_last(attacked.get(model.info)),
            images=page["training"].get(model.info.name, {}).get("images"),
            epochs=page["training"].get(model.info.name, {}).get("epochs"),
        )
        for model in pgd.models
        if model.info in turned
    }
    return Tradeoff(
        setting=pgd.setting,
        rotations=spatial.setting.rotations,
        draws=spatial.setting.draws,
        interpolation=spatial.setting.interpolation,
        fill=spatial.setting.fill,
        attack=page["attack"],
        front_n=page["front_n"],
        replicas=tuple(each for name, each in replicas.items() if name not in page["best"]),
        best=tuple(each for name, each in replicas.items() if name in page["best"]),
        missing=dict(sorted(page["missing"].items())),
        front_steps=_steps(front),
        attacks=_attacks(pgd, front),
        command=page["command"],
        versions=dict(sorted(page["versions"].items())),
        failed=tuple(failed),
    )


def tradeoffs(store: Store, dataset: str | None = None) -> dict[str, dict[str, Any]]:
    """The newest run on each data set, by its name."""
    found = dict(read_runs(store, "tradeoff", lambda run: (run["pgd"]["setting"]["dataset"], dict(run))))
    return {name: run for name, run in found.items() if dataset in (None, name)}


def _results(store: Store, part: Mapping[str, Any]) -> Results:
    """The models whose whole ε grid is there."""
    return chapter_results(store, chapter_of(part))[0]


def _turned(store: Store, run: Mapping[str, Any]) -> SpatialResults:
    fields = run["spatial"]["setting"]
    lists = {name: tuple(fields[name]) for name in ("rotations", "translations")}
    return collect_spatial(
        store,
        SpatialSetting(**{**fields, **lists}),
        [ModelInfo(**each) for each in run["spatial"]["models"]],
        versions=run["page"]["versions"],
        command=run["page"]["command"],
    )


def _last(model: ModelResult | None) -> np.ndarray | None:
    return model.curves[0].standing[-1] if model and model.curves else None


def _steps(front: Results) -> int | None:
    """Steps of the attack of the front, where it is not PGD."""
    requests = [c.request for model in front.models for c in model.curves if c.request.attack != "pgd"]
    steps = next((dict(request.params).get("steps") for request in requests), None)
    return int(steps) if isinstance(steps, (int, float)) else None


def _attacks(*sets: Results) -> dict[str, str]:
    """The attacks by name: library and parameters."""
    found: dict[str, str] = {}
    for results in sets:
        for curve in (curve for model in results.models for curve in model.curves):
            params = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in curve.request.params)
            params = params.replace("alpha None", "alpha 2.5·ε/steps")
            found[ATTACK_NAMES[curve.request.attack]] = f"{curve.library}, {params}".removesuffix(", ")
    return found
