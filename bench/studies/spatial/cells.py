"""Accuracies under rotations and translations as cells, stored and resumed like any other.

A cell measures one thing at one level, so that any request finds a stored level.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor, nn

from bench.engine.cell import Cell, Scalar
from bench.engine.judge import ask_again
from bench.engine.kind import Kind, Subject
from bench.engine.padding import padded
from bench.engine.result import CellResult
from bench.engine.seeding import seed_of, seeded
from bench.inputs.model_info import ModelInfo
from bench.studies.shared.cells import shard_cells
from bench.studies.spatial.setting import GRID_ROTATION, GRID_TRANSLATION, SpatialSetting, grid_points
from zoo.spatial import drawn, moved

VERSION = 1  # raised whenever the numbers change
LIBRARY = f"symbench.spatial=={VERSION}"
NO_ANSWER = -1  # predicted class where logits are not finite


def questions(setting: SpatialSetting) -> Iterator[tuple[str, float | None]]:
    """All questions of a setting about a model: what, and its level."""
    yield "clean", None
    yield from (("rotate", level) for level in setting.rotations)
    yield from (("translate", level) for level in setting.translations)
    if setting.turns:
        yield "turn", None
    if setting.grid is not None:
        yield "grid", None


def spatial_cells(
    setting: SpatialSetting, model: ModelInfo, what: str, level: float | None = None
) -> tuple[Cell, ...]:
    """The cells of one question, one for every batch of images.

    Args:
        setting: of the measurement.
        model: the measured model.
        what: ``clean``; ``rotate`` or ``translate``, random at a level; ``turn``, all fixed angles; or ``grid``, the
            worst of the grid.
        level: largest angle in degrees or largest shift as a share of the side; ``None`` for the others.
    """
    params = _params(setting, what, level)
    return shard_cells(
        setting, model, kind="spatial", attack=what, library=LIBRARY, params=params,
        seed=setting.seed if "draws" in params else 0,
    )  # fmt: skip


def _params(setting: SpatialSetting, what: str, level: float | None) -> dict[str, Scalar]:
    way: dict[str, Scalar] = {"interpolation": setting.interpolation, "fill": setting.fill}
    if what == "clean":
        return {}
    if what == "turn":
        return {"turns": setting.turns, **way}
    if what == "grid":
        angles, shifts = setting.grid or (1, 1)
        largest = {"rotation": GRID_ROTATION, "translation": GRID_TRANSLATION}
        return {"angles": angles, "shifts": shifts, **largest, **way}
    name = {"rotate": "rotation", "translate": "translation"}[what]
    return {name: float(level or 0), "draws": setting.draws, **way}


def looks(cell: Cell) -> int:
    """The most passes of each image in a cell."""
    params = dict(cell.params)
    if cell.attack == "grid":
        return int(params["angles"] or 0) * int(params["shifts"] or 0) ** 2
    return int(params.get("draws") or params.get("turns") or 1)


def draws_of(
    what: str, level: float, *, seed: int, first: int, count: int, draws: int
) -> Float64[Tensor, "count draws axes"]:
    """Angles in degrees (one axis), or shifts to the right and down as shares of the side (two axes).

    Every value is ``level`` times a number uniform in ±1 that derives only from seed, image, draw and ``what``: all
    models get the same ones, a larger level scales the same draw, and more draws keep the earlier ones.

    Args:
        what: ``rotate`` or ``translate``.
        level: largest value.
        seed: of the draws.
        first, count: the images, by their place in the data set.
        draws: for each image.
    """
    axes = {"rotate": 1, "translate": 2}[what]
    found = []
    for image in range(first, first + count):
        generator = torch.Generator().manual_seed(seed_of("spatial", what, seed, image))
        found.append(drawn(generator, draws * axes, level).view(draws, axes))
    return torch.stack(found)


def measure_spatial(
    cell: Cell, model: nn.Module, x: Float32[Tensor, "n c h w"], y: Int64[Tensor, " n"]
) -> CellResult:
    """Runs a cell.

    Args:
        cell: one of ``spatial_cells``.
        model: the deployed model, in eval mode with frozen parameters, on the device of ``x``.
        x: the shard's images (n, c, h, w), float32 in [0, 1].
        y: its labels (n,), int64.

    Returns:
        ``right`` bool and ``predicted`` int64 (``NO_ANSWER`` where logits are not finite), both
        (n, looks); of a grid ``right``, (n,) bool, no point of it broke the image, and ``queries``, (n,)
        int64, looks until then.
    """
    start = time.perf_counter()
    with seeded(x.device, "judge", cell.key):  # the model may draw random numbers
        arrays = _grid(cell, model, x, y) if cell.attack == "grid" else _looked_at(cell, model, x, y)
    return CellResult(arrays=arrays, seconds=time.perf_counter() - start, gradients=0)


def _looked_at(cell: Cell, model: nn.Module, x: Tensor, y: Tensor) -> dict[str, np.ndarray]:
    verdicts = [ask_again(model, images, y) for images in _versions(cell, x)]
    right = torch.stack([each.right for each in verdicts], dim=1)
    predicted = torch.stack(
        [each.predicted.masked_fill(each.nonfinite, NO_ANSWER) for each in verdicts], dim=1
    )
    return {"right": right.cpu().numpy(), "predicted": predicted.cpu().numpy()}


def _versions(cell: Cell, x: Tensor) -> Iterator[Tensor]:
    """The transformed images of a cell, one version after another."""
    if cell.attack == "clean":
        yield x
        return
    if cell.attack == "turn":
        turns = int(cell.param("turns") or 0)
        for turn in range(turns):
            yield _moved(cell, x, _same(360 * turn / turns, x))
        return
    name = "rotation" if cell.attack == "rotate" else "translation"
    draws = int(cell.param("draws") or 0)
    found = draws_of(
        cell.attack, float(cell.param(name) or 0), seed=cell.seed, first=cell.first, count=len(x), draws=draws
    )
    for draw in found.unbind(1):
        if cell.attack == "rotate":
            yield _moved(cell, x, draw[:, 0])
        else:
            yield _moved(cell, x, _same(0, x), draw)


def _grid(cell: Cell, model: nn.Module, x: Tensor, y: Tensor) -> dict[str, np.ndarray]:
    """Goes through the grid with the images not yet broken; the image itself comes first."""
    right = ask_again(model, x, y).right
    queries = torch.ones(len(x), dtype=torch.int64)
    for angle, *shift in _points(cell):
        left = right.nonzero().squeeze(1)
        if not len(left):
            break
        shifts = torch.tensor(shift, dtype=torch.float64).expand(len(left), 2)
        images = _moved(cell, x[left], _same(angle, x[left]), shifts)
        right[left] = ask_again(model, images, y[left]).right
        queries[left.cpu()] += 1
    return {"right": right.cpu().numpy(), "queries": queries.numpy()}


def _points(cell: Cell) -> tuple[tuple[float, float, float], ...]:
    angles, shifts = int(cell.param("angles") or 0), int(cell.param("shifts") or 0)
    return grid_points(
        angles, shifts, float(cell.param("rotation") or 0), float(cell.param("translation") or 0)
    )


def _same(degrees: float, x: Tensor) -> Float64[Tensor, " n"]:
    return torch.full((len(x),), degrees, dtype=torch.float64)


def _moved(cell: Cell, x: Tensor, degrees: Tensor, shifts: Tensor | None = None) -> Tensor:
    interpolation, fill = str(cell.param("interpolation")), str(cell.param("fill"))
    return moved(x, degrees, shifts, interpolation=interpolation, fill=fill)


def _measure(cell: Cell, subject: Subject) -> CellResult:
    model = padded(subject.model, cell.count, subject.x.device)
    return measure_spatial(cell, model, subject.x, subject.y)


KIND = Kind(measure=_measure, divisible=True)
