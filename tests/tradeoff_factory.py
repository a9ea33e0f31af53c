"""Synthetic trade-offs, models whose outcomes a test sets, and weights under names that a test chooses."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bench.engine.protocols import SOUND
from bench.inputs.model_info import ModelInfo
from bench.studies.robustness.results import Setting
from bench.studies.tradeoff.claim import ARCHITECTURES, RECIPES
from bench.studies.tradeoff.results import Replica, Tradeoff, model_name
from bench.studies.tradeoff.verdicts import ArchitectureOutcome, judge
from zoo import registry

N, DRAWS = 200, 4
EPS = (0.02, 0.05, 0.1, 0.15)
ROTATIONS = (30.0, 60.0, 120.0, 180.0)


def first(count: float, n: int = N) -> np.ndarray:
    """(n,) bool: the first so many images."""
    return np.arange(n) < count


def replica(
    name: str,
    *,
    clean: int = N,
    spatial: int | np.ndarray = 100,
    pgd: int | tuple[int, ...] = 100,
    front: int | np.ndarray | None = 100,
    origin: str = "zoo",
    n: int = N,
    images: int | None = 1437,
    epochs: int | None = 30,
) -> Replica:
    """A network with so many images right: under all draws at every angle, and against the attacks.

    Images are right from the first on, so that two networks with the same count are right on the same ones. Where a
    bool an image is given instead, it says which are.
    """
    counts = pgd if isinstance(pgd, tuple) else (pgd,) * len(EPS)
    turned = np.tile(_right(spatial, n)[None, :, None], (len(ROTATIONS), 1, DRAWS))
    digest = hashlib.sha256(name.encode()).hexdigest()
    info = ModelInfo(name=name, weights=digest, trained_on="digits", parameters=200_000, origin=origin)
    return Replica(
        info=info,
        clean=first(clean, n),
        turned=turned,
        standing=np.stack([first(count, n) for count in counts]),
        front=None if front is None else _right(front, n),
        images=images,
        epochs=epochs,
    )


def _right(of: int | np.ndarray, n: int) -> np.ndarray:
    return of if isinstance(of, np.ndarray) else first(of, n)


def tradeoff(
    *replicas: Replica, best: tuple[Replica, ...] = (), missing: Mapping[str, str] | None = None, n: int = N
) -> Tradeoff:
    """A run with these networks."""
    setting = Setting(
        dataset="digits", data="d" * 64, n=n, norm="linf", eps=EPS, curve="cumulative", seed=0,
        protocol=SOUND.label, backend="cpu torch 2.10",
    )  # fmt: skip
    return Tradeoff(
        setting=setting,
        rotations=ROTATIONS,
        draws=DRAWS,
        interpolation="bilinear",
        fill="black",
        attack="autoattack",
        front_n=n,
        replicas=replicas,
        best=best,
        command="bench tradeoff --dataset digits",
        missing=missing or {},
        attacks={"PGD": "torchattacks==3.5.1", "AutoAttack": "torchattacks==3.5.1"},
        versions={"torch": "2.10"},
    )


def outcome(run: Tradeoff, claim: str, architecture: str = "baseline_cnn") -> ArchitectureOutcome:
    """How a claim came out for an architecture."""
    (judged,) = [each for each in judge(run) if each.claim.id == claim]
    return next(each for each in judged.outcomes if each.architecture == architecture)


def weights(place: Path, names: dict[str, str]) -> str:
    """A directory of weights: each name is given those shipped under another, as if its own recipe had made them."""
    place.mkdir()
    for name, of in names.items():
        record, file = registry.shipped()[f"digits/{of}"], f"{name}.safetensors"
        recipe = registry.shipped()[f"digits/{name.split('@')[0].removesuffix('-best')}"].recipe
        shutil.copy(record.path, place / file)
        registry.add(place, dataclasses.replace(record, name=name, file=file, recipe=recipe))
    return str(place)


def everything() -> Tradeoff:
    """All models of the default list with three seeds each and noisy outcomes, and one best epoch."""
    rng = np.random.default_rng(0)
    found = []
    for at, architecture in enumerate(ARCHITECTURES):
        for i, recipe in enumerate(RECIPES):
            spatial, front = int(40 + 10 * i + 30 * at), int(160 - 12 * i)
            for seed in range(3):
                name = model_name(architecture, recipe) + (f"@{seed}" if seed else "")
                counts = np.clip(
                    np.array([front + 30, front + 15, front, front - 30]) + rng.integers(-5, 5), 0, N
                )
                found.append(
                    replica(
                        name,
                        clean=N - i,
                        spatial=spatial + int(rng.integers(-5, 5)),
                        pgd=tuple(int(count) for count in counts),
                        front=max(0, front - 35),
                    )
                )
    return tradeoff(*found, best=(replica("baseline_cnn.cusp-best"),))
