"""Estimates the time of a plan by measurements of the models themselves."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from bench.attacks.cost import passes
from bench.engine.driver import lane_results
from bench.engine.kind import kind_of
from bench.engine.lane import Lane
from bench.engine.memory import gradient_step
from bench.engine.protocols import released_rules
from bench.engine.store import Store
from bench.inputs.faults import out_of_memory
from bench.studies.robustness.evaluation import Evaluation
from bench.studies.robustness.plan import AttackLane

PATIENCE = 1.0  # approximate seconds for timing a gradient


def cells(lanes: Sequence[Lane], store: Store) -> tuple[int, int]:
    """The number of cells of lanes, each counted once, and the number of stored ones."""
    clean = {lane.first.key for lane in lanes}
    total = len(clean) + sum(len(lane) - 1 for lane in lanes)
    stored = sum(store.get(key, images=False) is not None for key in clean)
    return total, stored + sum(max(0, len(lane_results(store, lane)) - 1) for lane in lanes)


def seconds_left(evaluation: Evaluation, store: Store) -> float:
    """Seconds of one worker that the missing cells take at most: as if every image stood to the end."""
    return seconds_of(evaluation, evaluation.lanes, store)


def seconds_of(evaluation: Evaluation, lanes: Sequence[Lane], store: Store) -> float:
    """Like ``seconds_left``, of other lanes of the same models.

    One gradient of each model on one shard is timed, or on fewer images where that would take seconds, and multiplied
    by the gradients the cells may need.
    """
    setting = evaluation.setting
    x = evaluation.data.images(0, min(setting.batch, setting.n)).numpy()
    total = 0.0
    for source, info in evaluation.models:
        own = [lane for lane in lanes if lane.first.weights == info.weights]
        images = _images_left(own, store, len(evaluation.data.classes))
        if images:
            released = released_rules(setting.protocol) is not None
            seconds = evaluation.loaded.ask(
                source, info.weights, evaluation.device, _gradient_seconds, x, evaluation.device, raw=released
            )
            total += images / len(x) * seconds
    return total


def _images_left(lanes: Iterable[Lane], store: Store, classes: int) -> float:
    """Image gradients that the missing cells of these lanes may need."""
    left = 0.0
    for lane in lanes:
        if isinstance(lane, AttackLane):
            missing = len(lane) - max(1, len(lane_results(store, lane)))
            left += missing * passes(lane.request, classes) * lane.first.count
        elif store.get(lane.first.key, images=False) is None:
            left += kind_of(lane.first).gradients(lane.first)
    return left


def _gradient_seconds(model: nn.Module, images: Float32[np.ndarray, "n c h w"], device: str) -> float:
    """Seconds of a gradient of all images, from that of as many as take ``PATIENCE``."""
    x = torch.from_numpy(images).to(device)
    gradient_step(model, x[:1])
    one = _seconds(model, x[:1])
    few = x[: max(1, min(len(x), int(PATIENCE / max(one, 1e-6))))]
    while True:
        try:
            gradient_step(model, few)
            return _seconds(model, few) * len(x) / len(few)
        except (RuntimeError, MemoryError) as fault:
            if not out_of_memory(fault) or len(few) == 1:
                raise
            few = few[: len(few) // 2]


def _seconds(model: nn.Module, x: Float[Tensor, "n c h w"]) -> float:
    start = time.perf_counter()
    gradient_step(model, x)
    return time.perf_counter() - start
