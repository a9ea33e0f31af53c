"""Maximum invariant perturbations as cells: those of a few images, stored and resumed like any other."""

from __future__ import annotations

import time
from dataclasses import dataclass

from jaxtyping import Float32, Int64
from torch import Tensor, nn

from bench.engine.cell import Cell
from bench.engine.kind import Kind
from bench.engine.result import CellResult
from bench.engine.seeding import seeded
from bench.errors import UsageError, nearest
from bench.inputs.model_info import ModelInfo
from bench.studies.mip.removal import FILLS, steps_withstood
from bench.studies.shared.cells import shard_cells

BATCH = 20  # images of a cell, unless another number is given
VERSION = 1  # raised whenever the numbers change


@dataclass(frozen=True, slots=True, kw_only=True)
class MipSetting:
    """The values that two results must share to be compared.

    Attributes:
        dataset, data: name and sha256 of the evaluation split.
        n: the first n images of its fixed order were looked at.
        draws: random orders for each image.
        grid: rates are 1 / grid, 2 / grid, … 1.
        fill: new value of a removed pixel value: ``black`` (0) or ``grey`` (0.5).
        seed: of the orders.
        protocol, backend: as in the cells.
        batch: images of a cell; a killed run loses at most one such cell.
    """

    dataset: str
    data: str
    n: int
    draws: int
    grid: int
    fill: str
    seed: int
    protocol: str
    backend: str
    batch: int = BATCH


def check_options(draws: int, grid: int, fill: str) -> None:
    """Raises ``UsageError`` for invalid options."""
    if draws < 1:
        raise UsageError(f"--draws is {draws}; it must be at least 1")
    if grid < 1:
        raise UsageError(f"--grid is {grid}; it must be at least 1, for the rates 1/N, 2/N … 1")
    if fill not in FILLS:
        raise UsageError(f"unknown --fill {fill!r}; {nearest(fill, FILLS)}")


def mip_cells(setting: MipSetting, model: ModelInfo) -> tuple[Cell, ...]:
    """The cells of a model, one for every batch of images."""
    params = {"draws": setting.draws, "grid": setting.grid, "fill": setting.fill}
    library = f"symbench.mip=={VERSION}"
    return shard_cells(
        setting, model, kind="mip", attack="mip", library=library, params=params, seed=setting.seed
    )


def measure_mip(
    cell: Cell, model: nn.Module, x: Float32[Tensor, "n c h w"], y: Int64[Tensor, " n"]
) -> CellResult:
    """Runs a cell: ``steps`` (n, draws) and ``standing`` (n,), see ``bench.studies.mip.removal``."""
    start = time.perf_counter()
    with seeded(x.device, "judge", cell.key):  # the model may draw random numbers
        steps, right = steps_withstood(
            model,
            x,
            y,
            first=cell.first,
            draws=int(cell.param("draws") or 0),
            grid=int(cell.param("grid") or 0),
            fill=str(cell.param("fill")),
            seed=cell.seed,
        )
    arrays = {"steps": steps, "standing": right}
    return CellResult(arrays=arrays, seconds=time.perf_counter() - start, gradients=0)


KIND = Kind(
    measure=lambda cell, subject: measure_mip(cell, subject.model, subject.x, subject.y), divisible=True
)
