"""Requests for certificates: from options to cells."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import nn

from bench.engine.driver import backend
from bench.engine.protocols import SOUND
from bench.engine.store import Store
from bench.errors import UsageError
from bench.studies.certify import cells
from bench.studies.certify.options import CertifyOptions, parse_options
from bench.studies.certify.results import BATCH, CertifySetting
from bench.studies.certify.smoothed_attack import PER_STEP, STEPS
from bench.studies.certify.smoothing import CHUNK, noise, votes
from bench.studies.clever import parse_options as parse_clever
from bench.studies.clever.evaluation import expected_seconds
from bench.studies.clever.results import CleverSetting
from bench.studies.shared.ask import Ask
from bench.studies.shared.evaluation import PreparedCells, images_of, opened
from zoo.intervals import NoBounds

DEFAULT_N = 100

CertifyEvaluation = PreparedCells[CertifySetting]


def prepare_certificates(ask: Ask, options: Mapping[str, Any]) -> CertifyEvaluation:
    """Resolves the request and checks every model once.

    Args:
        ask: models, data, n, seed and device; its attacks and ε are ignored.
        options: as ``bench.studies.certify.options.parse_options`` takes them.

    Raises:
        UsageError: any part of it cannot be done, e.g. a model with a layer that no bounds are known of.
    """
    data, n = images_of(ask, DEFAULT_N)
    first = data.images(0, 1)
    shape = tuple(first.shape[1:])
    chosen = parse_options(image_shape=shape, seed=ask.seed, **options)
    if not chosen.smooth and ask.device != "cpu":
        raise UsageError("--method ibp computes on the CPU; leave out --device")
    common = {
        "dataset": data.name,
        "data": data.sha256,
        "n": n,
        "protocol": SOUND.label,
        "backend": backend(ask.device),
    }
    clever = CleverSetting(**common, options=parse_clever(image_shape=shape, seed=ask.seed, norm=chosen.norm))
    setting = CertifySetting(
        **common, pixels=first[0].numel(), options=chosen, clever=clever, batch=ask.batch or BATCH
    )
    evaluation = opened(ask, data, setting, cells.certify_cells)
    if chosen.smooth:
        return evaluation
    evaluation = replace(
        evaluation, models=tuple((s, replace(info, folded=False)) for s, info in evaluation.models)
    )
    _check_layers(evaluation, first.numpy(), chosen.norm)
    return evaluation


def _check_layers(evaluation: CertifyEvaluation, images: Float32[np.ndarray, "1 c h w"], norm: str) -> None:
    for source, info in evaluation.models:
        if info.precision != "float32":
            raise UsageError(
                f"model {info.name!r} computes in {info.precision}; interval bounds are of float32 networks"
            )
        try:
            evaluation.loaded.ask(
                source, info.weights, evaluation.device, cells.bounds_known, images, norm, raw=True
            )
        except NoBounds as fault:
            raise UsageError(f"model {info.name!r}: {fault}; use --method smoothing") from fault


def expected(evaluation: CertifyEvaluation, store: Store) -> float:
    """Seconds of one worker that the missing cells take: votes and attacks from a few passes now, CLEVER as its own
    command says. Bounds themselves take a small part of that.
    """
    setting = evaluation.setting
    if not setting.options.smooth:
        clever = _clever_part(evaluation)
        return expected_seconds(clever, store)
    total = 0.0
    for source, info in evaluation.models:
        missing = [cell for cell in cells.certify_cells(setting, info) if store.get(cell.key) is None]
        if missing:
            x = evaluation.data.images(0, 1).numpy()
            device = evaluation.device
            second = evaluation.loaded.ask(
                source, info.weights, device, _pass_seconds, x, setting.options, device
            )
            total += second * sum(cell.count * _passes(cell.attack, setting.options) for cell in missing)
    return total


def _clever_part(evaluation: CertifyEvaluation) -> PreparedCells[CleverSetting]:
    """The CLEVER request that is part of one for interval bounds."""
    return PreparedCells(
        setting=evaluation.setting.clever,
        cells=cells.score_cells,
        models=evaluation.models,
        data=evaluation.data,
        source=evaluation.source,
        device=evaluation.device,
        command=evaluation.command,
        loaded=evaluation.loaded,
    )


def _passes(attack: str, options: CertifyOptions) -> int:
    """Noisy images of one image; one with its gradient counts for three."""
    return 3 * STEPS * PER_STEP if attack == "smoothed_attack" else options.samples or 0


def _pass_seconds(
    model: nn.Module, images: Float32[np.ndarray, "1 c h w"], options: CertifyOptions, device: str
) -> float:
    """Seconds of one noisy image; a pass before prepares the kernels."""
    x = torch.from_numpy(images)[0].to(device)
    for _ in range(2):
        start = time.perf_counter()
        votes(model, x, options.sigma or 0.0, noise(0, 0, "timing", CHUNK, tuple(x.shape)))
    return (time.perf_counter() - start) / CHUNK
