"""Requests for the theory as numbers, and their stored results."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float32
from torch import nn

from bench.engine.driver import backend
from bench.engine.protocols import SOUND
from bench.engine.store import Store
from bench.errors import UsageError
from bench.inputs.model_info import ModelInfo
from bench.studies.clever.collect import clever_history
from bench.studies.clever.results import CleverResults
from bench.studies.shared.ask import Ask
from bench.studies.shared.evaluation import PreparedCells, images_of, opened
from bench.studies.theory.cells import MEASURES, TheorySetting, theory_cells, theory_of
from bench.studies.theory.results import TheoryResults, assemble

DEFAULT_N = 50

TheoryEvaluation = PreparedCells[TheorySetting]


def prepare_theory(ask: Ask) -> TheoryEvaluation:
    """Resolves a request and checks every model once.

    Args:
        ask: models, data, n and seed; its attacks and ε are ignored.

    Raises:
        UsageError: any part of it cannot be done, e.g. images that are not square.
    """
    data, n = images_of(ask, DEFAULT_N)
    height, width = data.images(0, 1).shape[2:]
    if height != width:
        raise UsageError(
            f"images of {data.name} are {height}×{width}; bench theory turns them, so they must be square"
        )
    setting = TheorySetting(
        dataset=data.name,
        data=data.sha256,
        n=n,
        seed=ask.seed,
        protocol=SOUND.label,
        backend=backend(ask.device),
    )
    return opened(ask, data, setting, theory_cells)


def collect_theory(
    store: Store,
    setting: TheorySetting,
    models: Sequence[ModelInfo],
    *,
    versions: Mapping[str, str],
    command: str,
    failed: Sequence[str] = (),
) -> TheoryResults:
    """What the store holds of a setting; a model without its first cell is left out."""
    found = []
    for model in models:
        stored = [store.get(cell.key) for cell in theory_cells(setting, model)]
        first, *later = (each and each.result for each in stored)
        if first:
            found.append(theory_of(model, first, *later))
    clever = clever_scores(store, setting, {model.info.weights for model in found})
    return assemble(
        found,
        dataset=setting.dataset,
        data=setting.data,
        n=setting.n,
        seed=setting.seed,
        clever={model.info.name: model.scores for model in clever.models} if clever else None,
        scores=_described(clever) if clever else "",
        versions=versions,
        command=command,
        failed=failed,
    )


def clever_scores(store: Store, setting: TheorySetting, weights: set[str]) -> CleverResults | None:
    """The newest CLEVER scores of these weights on these images that the store holds."""
    for results in clever_history(store, setting.dataset):
        models = tuple(model for model in results.models if model.info.weights in weights)
        if results.setting.data == setting.data and models:
            return replace(results, models=models)
    return None


def expected_seconds(evaluation: TheoryEvaluation, store: Store) -> float:
    """Seconds of one worker that the missing cells take, from one image of each measured now."""
    total, device = 0.0, evaluation.device
    x = evaluation.data.images(0, 1).numpy()
    for source, info in evaluation.models:
        for cell in theory_cells(evaluation.setting, info):
            if store.get(cell.key) is None:
                seconds = evaluation.loaded.ask(
                    source, info.weights, device, _image_seconds, x, device, cell.attack, raw=True
                )
                total += seconds * cell.count
    return total


def _image_seconds(model: nn.Module, images: Float32[np.ndarray, "1 c s s"], device: str, part: str) -> float:
    x, y = torch.from_numpy(images).to(device), torch.zeros(1, dtype=torch.int64, device=device)
    start = time.perf_counter()
    MEASURES[part](model.requires_grad_(False).eval(), x, y)
    return time.perf_counter() - start


def _described(clever: CleverResults) -> str:
    options = clever.setting.options
    return f"{options.engine} engine, {options.norm}, radius {options.radius:g}, n = {clever.setting.n}"
