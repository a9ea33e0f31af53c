"""A CLEVER evaluation from end to end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import nn

from bench.engine.cell import Cell
from bench.engine.driver import backend
from bench.engine.protocols import SOUND
from bench.engine.store import Store
from bench.errors import UsageError
from bench.inputs.foreign import gradient_fault
from bench.inputs.model_info import ModelInfo
from bench.leaderboard.columns import CLEVER_BATCH
from bench.studies.clever import CleverOptions, clever, parse_options
from bench.studies.clever.cells import bound_cells, score_cells
from bench.studies.clever.results import CleverSetting
from bench.studies.clever.scores import check_model
from bench.studies.shared.ask import Ask
from bench.studies.shared.evaluation import PreparedCells, images_of, opened

DEFAULT_N = 20
FIRST = 10  # images that a model is checked on before anything is measured

CleverEvaluation = PreparedCells[CleverSetting]


def prepare_clever(ask: Ask, options: Mapping[str, Any]) -> CleverEvaluation:
    """Resolves the request and checks every model once.

    Args:
        ask: models, data and n; its attacks and ε are ignored.
        options: as ``bench.studies.clever.parse_options`` takes them.

    Raises:
        UsageError: any part of it cannot be done, e.g. a model that gives probabilities.
    """
    data, n = images_of(ask, DEFAULT_N)
    first = data.images(0, min(FIRST, n))
    chosen = parse_options(image_shape=tuple(first.shape[1:]), seed=ask.seed, **options)
    setting = CleverSetting(
        dataset=data.name,
        data=data.sha256,
        n=n,
        options=chosen,
        protocol=SOUND.label,
        backend=backend(ask.device),
        batch=ask.batch or CLEVER_BATCH,
    )
    evaluation = opened(ask, data, setting, _cells)
    for source, info in evaluation.models:
        evaluation.loaded.ask(
            source, info.weights, ask.device, _checked, info.name, first.numpy(), chosen, ask.device
        )
    return evaluation


def expected_seconds(evaluation: CleverEvaluation, store: Store) -> float:
    """Seconds of one worker that the missing scores take, from one image of each model scored now.

    A tenth of the samples are taken and the time scaled up, so fits that take long are overestimated.
    """
    total = 0.0
    options, device = evaluation.setting.options, evaluation.device
    x = evaluation.data.images(0, 1).numpy()
    for source, info in evaluation.models:
        missing = [cell for cell in score_cells(evaluation.setting, info) if store.get(cell.key) is None]
        images = sum(cell.count for cell in missing)
        if images:
            total += images * evaluation.loaded.ask(
                source, info.weights, device, _image_seconds, x, options, device
            )
    return total


def _cells(setting: CleverSetting, model: ModelInfo) -> tuple[Cell, ...]:
    return (*score_cells(setting, model), *bound_cells(setting, model))


def _checked(
    model: nn.Module, name: str, images: Float32[np.ndarray, "n c h w"], options: CleverOptions, device: str
) -> None:
    x = torch.from_numpy(images).to(device)
    check_model(name, model, x, options)
    if (why := gradient_fault(model, x)) is not None:
        raise UsageError(
            f"model {name!r} gives no gradients ({why}), and CLEVER is the largest of them near an image; "
            "bench audit says whether they are masked"
        )


def _image_seconds(
    model: nn.Module, images: Float32[np.ndarray, "1 c h w"], options: CleverOptions, device: str
) -> float:
    few = replace(options, samples=max(1, options.samples // 10))
    x = torch.from_numpy(images).to(device)
    label = model(x).argmax(dim=1)
    start = time.perf_counter()
    clever(model, x, label, few, first=0)
    return (time.perf_counter() - start) * options.samples / few.samples
