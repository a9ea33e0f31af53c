"""How long a plan will take, measured on the models themselves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from bench.attacks import RELEASED_REQUESTS, Request
from bench.engine.driver import lane_results
from bench.engine.lane import Lane
from bench.engine.protocols import released_rules
from bench.engine.store import Store
from bench.studies.released.cells import grid_of
from bench.studies.robustness.evaluation import Evaluation
from bench.studies.robustness.plan import SHARD, AttackLane

LIKELIEST = 9  # wrong classes that most attacks stop at
LOOKS = 2.0  # gradients' worth of passes besides, by library and judge, at most: for each run of an attack
FORWARD = 1 / 3  # a forward pass alone, in gradients


def cells(lanes: Sequence[Lane], store: Store) -> tuple[int, int]:
    """How many cells lanes have, each counted once, and how many of them are stored."""
    clean = {lane.first.key for lane in lanes}
    total = len(clean) + sum(len(lane) - 1 for lane in lanes)
    stored = sum(store.get(key) is not None for key in clean)
    return total, stored + sum(max(0, len(lane_results(store, lane)) - 1) for lane in lanes)


def seconds_left(evaluation: Evaluation, store: Store) -> float:
    """Seconds of one worker that the missing cells take at most: as if every image stood to the end.

    One gradient of each model on one shard is timed, and multiplied by the gradients the cells may need.
    """
    x = evaluation.data.images(0, min(SHARD, evaluation.setting.n)).numpy()
    total = 0.0
    for source, info in evaluation.models:
        lanes = [lane for lane in evaluation.lanes if lane.first.weights == info.weights]
        images = _images_left(lanes, store, len(evaluation.data.classes))
        if images:
            released = released_rules(evaluation.setting.protocol) is not None
            seconds = evaluation.loaded.ask(
                source, info.weights, evaluation.device, _gradient_seconds, x, evaluation.device, raw=released
            )
            total += images / len(x) * seconds
    return total


def _images_left(lanes: Iterable[Lane], store: Store, classes: int) -> float:
    """Image gradients that the missing cells of these lanes may need."""
    left = 0.0
    for lane in lanes:
        if lane.first.kind == "released" and store.get(lane.first.key) is None:
            grid = sum(passes(request, classes) for request in RELEASED_REQUESTS)
            left += lane.first.count * len(grid_of(lane.first)) * grid
        missing = len(lane) - max(1, len(lane_results(store, lane)))
        left += (
            missing
            * (passes(lane.request, classes) if isinstance(lane, AttackLane) else 1)
            * lane.first.count
        )
    return left


def passes(request: Request, classes: int) -> float:
    """Gradients an attack needs at most for one image among so many classes; forward passes count too."""
    params = dict(request.params)

    def of(name: str) -> int:
        return int(params.get(name) or 1)

    wrong = max(1, classes - 1)
    return of("restarts") * min(of("targets"), wrong) * (LOOKS + _run(request.attack, of, wrong))


def _run(attack: str, of: Callable[[str], int], wrong: int) -> float:
    """Gradients of one run of an attack, aimed at one class if the judge aims it; ``wrong`` classes there are."""
    steps, aims = of("steps") * of("eot"), min(wrong, LIKELIEST)
    forward = {
        "square": of("queries"),
        "noise": of("queries"),
        "spatial_grid": of("rotations") * of("translations") ** 2,
        "spatial_random": of("draws"),
    }
    if attack in forward:
        return forward[attack] * FORWARD
    if attack == "autoattack":  # four attacks, aimed at every wrong class
        return steps + 1 + _apgd_t(steps, wrong) + _fab_t(steps, wrong) + 5000 * FORWARD + 3 * LOOKS
    return {
        "apgd_ce": steps + 1,
        "apgd_dlr": steps + 1,
        "apgd_t": _apgd_t(steps, aims),
        "fab_t": _fab_t(steps, aims),
        "fmn": 2 * (steps + LOOKS),  # DDN first
        "deepfool": steps * aims,
    }.get(attack, steps)


def _apgd_t(steps: int, aims: int) -> float:
    return aims * (FORWARD + steps + 1)


def _fab_t(steps: int, aims: int) -> float:
    return aims * (3 * FORWARD + steps * (1 + FORWARD))


def _gradient_seconds(model: nn.Module, images: Float32[np.ndarray, "n c h w"], device: str) -> float:
    x = torch.from_numpy(images).to(device)
    _gradient(model, x)
    start = time.perf_counter()
    _gradient(model, x)
    return time.perf_counter() - start


def _gradient(model: nn.Module, x: Float[Tensor, "n c h w"]) -> None:
    images = x.clone().requires_grad_()
    torch.autograd.grad(model(images).sum(), images)
