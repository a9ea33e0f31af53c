"""Synthetic results that look like measured ones, from a seed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.attacks import Request, parse_requests
from bench.engine.protocols import SOUND
from bench.inputs.model_info import ModelInfo
from bench.leaderboard.columns import columns_of
from bench.leaderboard.lines import cell, csv_text
from bench.studies.robustness.results import Clean, Curve, ModelResult, Results, Sample, Setting

ZOO = (
    *(
        f"{family}{depth}"
        for family in (
            "baseline_cnn",
            "parallel_gcnn",
            "parallel_gcnn_rs",
            "parallel_gcnn_scale",
            "cascaded_gcnn",
            "weighted_gcnn_rs",
            "equivariant_gcnn",
        )
        for depth in ("", "_4")
    ),
    "baseline_cnn.pgd_at",
    "baseline_cnn_4.pgd_at",
    "equivariant_gcnn.pgd_at",
    "parallel_gcnn.fgsm_mix",
)


def write_wide(path: Path, rows: Sequence[dict[str, Any]], schema: int = 5) -> None:
    """A leaderboard that holds full rows, as versions up to schema 5 wrote it."""
    columns = columns_of(schema)
    lines = [[cell({**row, "schema": schema}[column]) for column in columns] for row in rows]
    path.write_text(csv_text(columns, lines))


def visible(folder: Path) -> list[str]:
    """Names in a folder but for locks, which stay where they are."""
    return sorted(name for name in os.listdir(folder) if not (name[0] == "." and name.endswith(".lock")))


def make_results(
    models: Sequence[str] = ("baseline_cnn", "parallel_gcnn", "baseline_cnn.pgd_at"),
    n: int = 200,
    eps: Sequence[float] = (0.02, 0.05, 0.1, 0.15),
    attacks: Sequence[str] = ("fgsm", "pgd"),
    seed: int = 0,
    *,
    dataset: str = "digits",
    classes: Sequence[str] = tuple("0123456789"),
    channels: int = 1,
    size: int = 16,
    samples: int = 4,
    curve: str = "cumulative",
    norm: str = "linf",
    failed: Sequence[str] = (),
) -> Results:
    """Results of models on the same images: hard images are hard for all, PGD breaks what FGSM breaks."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, len(classes), n)
    hardness = rng.normal(size=n)
    requests = parse_requests(attacks, norm=norm, params={})
    setting = Setting(
        dataset=dataset,
        data=_digest(label),
        n=n,
        norm=norm,
        eps=tuple(eps),
        curve=curve,
        seed=0,
        protocol=SOUND.label,
        backend="cpu torch 2.10",
    )
    images = _images(rng, max(samples, 1), channels, size)
    return Results(
        setting=setting,
        classes=tuple(classes),
        models=tuple(
            _model(rng, name, label, hardness, requests, setting, images[:samples], len(classes))
            for name in models
        ),
        versions={"torch": "2.10.0", "torchattacks": "3.5.1", "numpy": np.__version__},
        command=f"bench run --zoo all --dataset {dataset} --attacks {','.join(attacks)}",
        failed=tuple(failed),
    )


def _model(
    rng: np.random.Generator,
    name: str,
    label: np.ndarray,
    hardness: np.ndarray,
    requests: Sequence[Request],
    setting: Setting,
    images: np.ndarray,
    classes: int,
) -> ModelResult:
    hardened = "." in name
    skill = (1.5 if hardened else 1.9) + rng.normal(0, 0.2) - 0.25 * ("_4" in name)
    margin = skill - hardness + rng.normal(0, 0.6, len(label))
    clean = _clean(rng, label, margin, classes)
    reach = (0.13 if hardened else 0.045) * float(rng.uniform(0.8, 1.25)) * max(setting.eps) / 0.15
    fragility = np.maximum(margin, 0) * reach / 1.5
    curves = tuple(_curve(rng, r, clean, fragility, setting, classes) for r in requests)
    shown = tuple(
        _sample(rng, i, image, clean, curves[-1], setting, classes) for i, image in enumerate(images)
    )
    info = ModelInfo(
        name=name,
        weights=_digest(margin),
        trained_on=setting.dataset,
        parameters=int((60_000 if "_4" in name else 200_000) * rng.uniform(0.92, 1.08)),
        origin="zoo",
    )
    return ModelResult(info=info, clean=clean, curves=curves, samples=shown[: len(images)])


def _clean(rng: np.random.Generator, label: np.ndarray, margin: np.ndarray, classes: int) -> Clean:
    correct = margin > 0
    grad_norm = np.where(margin > 3.5, 0.0, np.exp(-margin))
    return Clean(
        label=label,
        predicted=np.where(correct, label, _others(rng, label, classes)),
        correct=correct,
        margin=margin,
        loss=np.log1p(np.exp(-margin)),
        grad_norm=grad_norm,
        nonfinite=np.zeros(len(label), bool),
        seconds=float(rng.uniform(0.1, 0.3)),
        digest=_digest(margin),
    )


def _curve(
    rng: np.random.Generator,
    request: Request,
    clean: Clean,
    fragility: np.ndarray,
    setting: Setting,
    classes: int,
) -> Curve:
    iterative = request.spec.iterative
    breaks_at = fragility if iterative else fragility * rng.uniform(1.05, 1.9, len(fragility))
    grid = np.array(setting.eps)[:, None]
    standing = clean.correct & ((breaks_at > grid) | (grid == 0))
    before = np.vstack([clean.correct[None], standing[:-1]])
    survivors_only = iterative and setting.curve == "cumulative"
    attacked = (before if survivors_only else np.broadcast_to(clean.correct, standing.shape)).copy()
    other = _others(rng, np.broadcast_to(clean.label, standing.shape), classes)
    steps = dict(request.params).get("steps", 1)
    images = attacked.sum(axis=1)
    return Curve(
        request=request,
        library=f"{request.library}==3.5.1",
        standing=standing,
        attacked=attacked,
        distance=np.where(attacked, np.broadcast_to(grid, standing.shape), np.nan),
        predicted=np.where(attacked, np.where(standing, clean.label, other), -1),
        nonfinite=np.zeros(standing.shape, bool),
        projected=attacked & (rng.random(standing.shape) < 0.002),
        silent=np.zeros(standing.shape, bool),
        gradients=tuple(int(i) * int(steps or 1) for i in images),
        seconds=tuple(float(i) * int(steps or 1) * 2e-4 for i in images),
        digest=tuple(_digest(row) for row in standing),
    )


def _sample(
    rng: np.random.Generator,
    index: int,
    image: np.ndarray,
    clean: Clean,
    curve: Curve,
    setting: Setting,
    classes: int,
) -> Sample:
    eps = setting.eps[len(setting.eps) // 2]
    signs = rng.choice([-eps, eps], size=image.shape).astype(np.float32)
    attacked = np.clip(image + signs, 0, 1)
    return Sample(
        index=index,
        label=int(clean.label[index]),
        clean_predicted=int(clean.predicted[index]),
        predicted=int(_others(rng, clean.label[index : index + 1], classes)[0]),
        eps=eps,
        attack=curve.request.label,
        distance=float(np.abs(attacked - image).max()),
        clean=image,
        attacked=attacked,
    )


def _images(rng: np.random.Generator, count: int, channels: int, size: int) -> np.ndarray:
    """Soft bright blobs on a dark ground."""
    y, x = np.mgrid[0:size, 0:size] / size
    images = np.zeros((count, channels, size, size))
    for image in images:
        for _ in range(4):
            cy, cx, width = rng.uniform((0.2, 0.2, 0.08), (0.8, 0.8, 0.25))
            blob = np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / width**2)
            image += blob * rng.uniform(0.2, 0.9, (channels, 1, 1))
    return np.clip(images, 0, 1).astype(np.float32)


def _others(rng: np.random.Generator, label: np.ndarray, classes: int) -> np.ndarray:
    """Some class other than the label."""
    return (label + rng.integers(1, max(classes, 2), label.shape)) % classes


def _digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
