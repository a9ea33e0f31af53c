"""Certificates, and the attacks compared with them, as cells of a few images, stored and resumed like any other."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from torch import nn

from bench.engine.cell import Cell, Scalar
from bench.engine.judge import ask_again
from bench.engine.kind import Kind, Subject
from bench.engine.result import CellResult
from bench.engine.seeding import seeded
from bench.inputs.model_info import ModelInfo
from bench.studies.certify.results import CertifySetting
from bench.studies.clever.cells import bound_cells, score_cells
from bench.studies.shared.cells import shard_cells

VERSION = 2  # raised whenever the numbers change
TURNS = (1, 2, 3)


def certify_cells(setting: CertifySetting, model: ModelInfo) -> Iterator[Cell]:
    """All cells of a model; none waits for another."""
    if setting.options.smooth:
        yield from smoothing_cells(setting, model)
        yield from attack_cells(setting, model)
        if setting.options.orbit:
            for turn in TURNS:
                yield from smoothing_cells(setting, model, turn)
        return
    yield from interval_cells(setting, model)
    yield from lipschitz_cells(setting, model)
    yield from score_cells(setting.clever, model)
    yield from bound_cells(setting.clever, model)


def smoothing_cells(setting: CertifySetting, model: ModelInfo, turn: int = 0) -> tuple[Cell, ...]:
    """The votes under noise, of the images or of their quarter turns."""
    options = setting.options
    params = {"sigma": options.sigma, "selection": options.selection, "samples": options.samples}
    return _cells(setting, model, "smoothing", params | ({"turn": turn} if turn else {}), None)


def attack_cells(setting: CertifySetting, model: ModelInfo) -> tuple[Cell, ...]:
    """The attacks on the smoothed network; they do not depend on the number of samples."""
    return _cells(setting, model, "smoothed_attack", {"sigma": setting.options.sigma}, None)


def interval_cells(setting: CertifySetting, model: ModelInfo) -> tuple[Cell, ...]:
    """The interval bounds, which need no random numbers and exist for L∞ only."""
    return _cells(setting, model, "ibp", {}, None, seed=0)


def lipschitz_cells(setting: CertifySetting, model: ModelInfo) -> tuple[Cell, ...]:
    """The Lipschitz bounds, which need no random numbers."""
    from bench.studies.certify.lipschitz import EXACT

    norm = setting.options.norm
    return _cells(setting, model, "lipschitz", {"exact": EXACT} if norm == "l2" else {}, norm, seed=0)


def measure(cell: Cell, subject: Subject) -> CellResult:
    """Runs a cell; the functions it calls describe the arrays."""
    start = time.perf_counter()
    with seeded(subject.x.device, "judge", cell.key):  # the model may draw random numbers
        arrays = _MEASURES[cell.attack](cell, subject)
    return CellResult(arrays=arrays, seconds=time.perf_counter() - start, gradients=0)


def _smoothing(cell: Cell, subject: Subject) -> dict[str, np.ndarray]:
    from bench.studies.certify.smoothing import smoothed

    x, params = subject.x, dict(cell.params)
    turn = int(params.get("turn") or 0)
    chosen, counts = smoothed(
        subject.model,
        x.rot90(turn, (2, 3)),
        first=cell.first,
        sigma=float(params["sigma"] or 0),
        selection=int(params["selection"] or 0),
        samples=int(params["samples"] or 0),
        seed=cell.seed,
        turn=turn,
    )
    return {"label": subject.y.cpu().numpy(), "chosen": chosen, "votes": counts}


def _smoothed_attack(cell: Cell, subject: Subject) -> dict[str, np.ndarray]:
    from bench.studies.certify.smoothed_attack import attack_smoothed

    sigma = float(cell.param("sigma") or 0)
    return attack_smoothed(subject.model, subject.x, subject.y, first=cell.first, sigma=sigma, seed=cell.seed)


def _interval(cell: Cell, subject: Subject) -> dict[str, np.ndarray]:
    from bench.studies.certify.interval import interval_radii
    from bench.studies.certify.layers import layers_of

    return {"radius": interval_radii(layers_of(subject.model), subject.x, subject.y), **_clean(subject)}


def _lipschitz(cell: Cell, subject: Subject) -> dict[str, np.ndarray]:
    from bench.studies.certify.layers import layers_of
    from bench.studies.certify.lipschitz import lipschitz_radii

    return lipschitz_radii(layers_of(subject.model), subject.x, subject.y, str(cell.norm))


def _clean(subject: Subject) -> dict[str, np.ndarray]:
    verdict = ask_again(subject.model, subject.x, subject.y)
    return {"label": subject.y.cpu().numpy(), "standing": verdict.right.cpu().numpy()}


_MEASURES = {
    "smoothing": _smoothing,
    "smoothed_attack": _smoothed_attack,
    "ibp": _interval,
    "lipschitz": _lipschitz,
}


def _cells(
    setting: CertifySetting,
    model: ModelInfo,
    name: str,
    params: dict[str, Scalar],
    norm: str | None,
    *,
    seed: int | None = None,
) -> tuple[Cell, ...]:
    return shard_cells(
        setting, model, kind="certificate", attack=name, library=f"symbench.certify=={VERSION}", params=params,
        norm=norm, seed=setting.options.seed if seed is None else seed,
    )  # fmt: skip


def bounds_known(raw: nn.Module, images: np.ndarray, norm: str) -> None:
    """Raises ``zoo.intervals.NoBounds`` for a model, as its author made it, whose bounds are not known."""
    import torch

    from bench.inputs.sources import deployed
    from bench.studies.certify.layers import layers_of
    from bench.studies.certify.lipschitz import pair_bounds
    from zoo.intervals import ball
    from zoo.margins import margins

    model, x = deployed(raw, "cpu"), torch.from_numpy(images)
    layers, y = layers_of(model), torch.zeros(len(x), dtype=torch.int64)
    with torch.no_grad():
        margins(layers, ball(x.double(), 0.0), y, classes=model(x).shape[1])
    pair_bounds(layers, tuple(x.shape[1:]), norm)


KIND = Kind(measure=measure)
