"""CLEVER and its upper bounds as cells: the scores of a few images, stored and resumed like any other."""

from __future__ import annotations

import time
from dataclasses import asdict

from jaxtyping import Float32, Int64
from torch import Tensor, nn

from bench.attacks import library_version
from bench.engine.cell import Cell
from bench.engine.kind import Kind
from bench.engine.result import CellResult
from bench.engine.seeding import seeded
from bench.inputs.model_info import ModelInfo
from bench.studies.clever.options import CleverOptions
from bench.studies.clever.results import CleverSetting
from bench.studies.shared.cells import shard_cells

ATTACKS = {"l2": "ddn", "linf": "fmn", "l1": "fmn"}
ATTACK_STEPS = 100
ENGINE_VERSION = 1  # raised whenever our engines' numbers change
ART = "adversarial-robustness-toolbox"


def engine_library(engine: str) -> str:
    """The library of an engine, with its version."""
    return library_version(ART) if engine == "art" else f"symbench.clever=={ENGINE_VERSION}"


def score_cells(setting: CleverSetting, model: ModelInfo) -> tuple[Cell, ...]:
    """The cells of a model's scores, one for every batch of images."""
    options = asdict(setting.options)
    norm, seed = options.pop("norm"), options.pop("seed")
    options["targets"] = "all" if options["targets"] is None else f"top-{options['targets']}"
    library = engine_library(setting.options.engine)
    return shard_cells(
        setting, model, kind="clever", attack="clever", library=library, params=options, norm=norm, seed=seed
    )


def bound_cells(setting: CleverSetting, model: ModelInfo) -> tuple[Cell, ...]:
    """The cells of the upper bounds; they depend on no engine and no radius."""
    norm = setting.options.norm
    return shard_cells(
        setting, model, kind="minimum_norm", attack=ATTACKS[norm], library=library_version("foolbox"),
        params={"steps": ATTACK_STEPS}, norm=norm, seed=setting.options.seed,
    )  # fmt: skip


def options_of(cell: Cell) -> CleverOptions:
    """The options that ``score_cells`` put into a cell."""
    params = dict(cell.params)
    targets = str(params.pop("targets"))
    count = None if targets == "all" else int(targets.removeprefix("top-"))
    return CleverOptions(norm=str(cell.norm), seed=cell.seed, targets=count, **params)  # type: ignore[arg-type]


def measure_cell(
    cell: Cell, model: nn.Module, x: Float32[Tensor, "n c h w"], y: Int64[Tensor, " n"]
) -> CellResult:
    """Runs a cell of either kind; see ``bench.attacks.measure.measure``."""
    from bench.studies.clever import clever, upper_bounds

    start = time.perf_counter()
    with seeded(x.device, "judge", cell.key):  # the model may draw random numbers
        if cell.kind == "clever":
            options = options_of(cell)
            arrays = clever(model, x, y, options, first=cell.first)
            gradients = int(arrays["standing"].sum()) * options.gradients
        else:
            arrays = upper_bounds(model, x, y, str(cell.norm), first=cell.first, seed=cell.seed)
            gradients = int(arrays["attacked"].sum()) * ATTACK_STEPS
    return CellResult(arrays=arrays, seconds=time.perf_counter() - start, gradients=gradients)


KIND = Kind(
    measure=lambda cell, subject: measure_cell(cell, subject.model, subject.x, subject.y), divisible=True
)
