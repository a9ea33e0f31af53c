"""Synthetic reproductions: models whose outcomes a test sets, and runs that look like measured ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from bench.engine.protocols import RELEASED, SOUND, own_script
from bench.inputs.model_info import ModelInfo
from bench.studies.mip.cells import MipSetting
from bench.studies.mip.results import MipResult, MipResults
from bench.studies.paper import SECTIONS, Corrupted, Reproduction, needed
from bench.studies.robustness.results import ModelResult, Results
from tests.factory import make_results
from zoo.grouped import Groups

EPS = tuple(i / 100 for i in range(1, 16))
FOUR = (0.01, 0.05, 0.10, 0.15)
DATA = "cifar10-copy"
MODELS = tuple(dict.fromkeys(name for section in SECTIONS for name in needed(section).measured))


def under(results: Results, label: str) -> Results:
    """The same results, said to be of another protocol."""
    return dataclasses.replace(results, setting=dataclasses.replace(results.setting, protocol=label))


def stands(*counts: int, n: int = 200) -> np.ndarray:
    """(len(counts), n) bool: the first so many images stand; one count is for every ε of the paper."""
    counts = counts * (len(EPS) if len(counts) == 1 else 1)
    return np.arange(n)[None] < np.array(counts)[:, None]


def outcomes(standing: Mapping[str, np.ndarray], eps: Sequence[float] = EPS, attack: str = "pgd") -> Results:
    """Models with the (ε, n) outcomes given, all right when clean."""
    n = next(iter(standing.values())).shape[1]
    results = make_results(list(standing), n=n, eps=eps, attacks=[attack], samples=0, curve="independent")
    models = []
    for model in results.models:
        curve = dataclasses.replace(model.curves[0], standing=standing[model.info.name])
        clean = dataclasses.replace(model.clean, correct=np.ones(n, bool))
        models.append(dataclasses.replace(model, clean=clean, curves=(curve,)))
    return dataclasses.replace(results, models=tuple(models))


def mip(steps: Mapping[str, np.ndarray], right: Mapping[str, np.ndarray] | None = None) -> MipResults:
    """Maximum invariant perturbations of the (n, draws) steps of 1/100 given."""
    n, draws = next(iter(steps.values())).shape
    setting = MipSetting(
        dataset=DATA, data="d" * 64, n=n, draws=draws, grid=100, fill="black", seed=0, protocol=SOUND.label,
        backend="cpu",
    )  # fmt: skip
    models = tuple(
        MipResult(
            info=ModelInfo(name=name, weights="w" * 64, trained_on=DATA, parameters=1, origin="zoo"),
            steps=each,
            right=np.ones(n, bool) if right is None else right[name],
            grid=100,
            seconds=1.0,
            digest="",
        )
        for name, each in steps.items()
    )
    return MipResults(setting=setting, models=models, versions={}, command="bench mip")


def groups(names: Sequence[str] = ("brightness", "fog", "snow"), images: int = 4) -> Groups:
    return Groups(tuple(names), DATA, None, images)


def corrupted(label: str, *, seed: int = 0, official: bool = False, images: int = 4) -> Corrupted:
    """The models of Table 1 on a few corruptions of a few images."""
    of = groups(images=images)
    results = make_results(
        needed("table1").measured, n=len(of), eps=EPS[:4], attacks=["pgd"], seed=seed, samples=0,
        dataset=f"corrupted-{DATA}",
    )  # fmt: skip
    return Corrupted(results=under(results, label), groups=of, official=official)


def full(relation: str = "copy", beside: str = "cifar10") -> Reproduction:
    """A run of everything, with small numbers of images."""
    rng = np.random.default_rng(0)
    released = [
        under(make_results(MODELS, n=60, eps=FOUR, seed=i + 1, samples=0, dataset=DATA), each.label)
        for i, each in enumerate(RELEASED.values())
        if not each.raw
    ]
    labels = {SOUND.label, *(own_script(m, corrupted=True).label for m in needed("table1").models)}
    return Reproduction(
        dataset=DATA,
        beside=beside,
        relation=relation,
        command=f"bench reproduce --all --dataset folder:$DATA --name {DATA}",
        options=f"--dataset folder:$DATA --name {DATA}",
        results=(make_results(MODELS, n=100, eps=EPS, samples=0, dataset=DATA), *released),
        corrupted=tuple(corrupted(label, seed=i) for i, label in enumerate(sorted(labels))),
        mip=mip({name: rng.integers(0, 100, (20, 5)) for name in ("baseline_cnn", "parallel_gcnn")}),
        training="15 epochs, one seed",
        versions={"torch": "2"},
    )


def sound(results: Results, **changes: object) -> Reproduction:
    """A run of sound results alone."""
    fields: dict[str, object] = {"dataset": DATA, "beside": "cifar10", "relation": "same", "command": "c"}
    return Reproduction(results=(results,), **{**fields, **changes})  # type: ignore[arg-type]


def model_of(results: Results, name: str) -> ModelResult:
    return next(model for model in results.models if model.info.name == name)
