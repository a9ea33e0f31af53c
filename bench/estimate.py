"""How long a plan will take, measured on the models themselves."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bench.attacks import RELEASED_REQUESTS, Request
from bench.evaluation import Evaluation
from bench.executors import one_thread
from bench.plan import SHARD, Lane
from bench.protocols import released_rules
from bench.released.cells import grid_of
from bench.run import lane_results
from bench.store import Store


def cells(lanes: Sequence[Lane], store: Store) -> tuple[int, int]:
    """How many cells lanes have, each counted once, and how many of them are stored."""
    clean = {lane.clean.key for lane in lanes}
    total = len(clean) + sum(len(lane) - 1 for lane in lanes)
    stored = sum(store.get(key) is not None for key in clean)
    return total, stored + sum(max(0, len(lane_results(store, lane)) - 1) for lane in lanes)


def seconds_left(evaluation: Evaluation, store: Store) -> float:
    """Seconds of one worker that the missing cells take at most: as if every image stood to the end.

    One gradient of each model on one shard is timed, and multiplied by the gradients the cells may need.
    """
    x = evaluation.data.images(0, min(SHARD, evaluation.setting.n)).to(evaluation.device)
    total = 0.0
    for source, info in evaluation.models:
        lanes = [lane for lane in evaluation.lanes if lane.clean.weights == info.weights]
        images = _images_left(lanes, store)
        if images:
            released = released_rules(evaluation.setting.protocol) is not None
            model = source.build() if released else evaluation.bench.model(info.weights, evaluation.device)
            total += images / len(x) * _gradient_seconds(model.to(x.device), x)
    return total


def _images_left(lanes: Iterable[Lane], store: Store) -> float:
    """Image gradients that the missing cells of these lanes may need."""
    left = 0.0
    for lane in lanes:
        if lane.clean.kind == "released" and store.get(lane.clean.key) is None:
            left += lane.clean.count * len(grid_of(lane.clean)) * sum(map(passes, RELEASED_REQUESTS))
        missing = len(lane) - max(1, len(lane_results(store, lane)))
        left += missing * (passes(lane.request) if lane.request else 1) * lane.clean.count
    return left


def passes(request: Request) -> float:
    """Gradients an attack may need for one image; a forward pass alone counts as a third of one."""
    params = dict(request.params)

    def of(name: str) -> int:
        return int(params.get(name) or 1)

    steps, most = of("steps") * of("restarts") * of("targets") * of("eot"), 9
    forward = {
        "square": of("queries") * of("restarts"),
        "noise": of("queries"),
        "spatial_grid": of("rotations") * of("translations") ** 2,
        "spatial_random": of("draws"),
    }
    if request.attack in forward:
        return forward[request.attack] / 3
    if request.attack == "autoattack":  # APGD-CE, APGD-T, FAB-T with two passes a step, Square
        return steps * (1 + most + 2 * most) + 5000 / 3
    return steps * {"apgd_t": most, "fab_t": 2 * most, "fmn": 2, "deepfool": most}.get(request.attack, 1)


def _gradient_seconds(model: nn.Module, x: Float[Tensor, "n c h w"]) -> float:
    with one_thread():
        _gradient(model, x)
        start = time.perf_counter()
        _gradient(model, x)
        return time.perf_counter() - start


def _gradient(model: nn.Module, x: Float[Tensor, "n c h w"]) -> None:
    images = x.clone().requires_grad_()
    torch.autograd.grad(model(images).sum(), images)
