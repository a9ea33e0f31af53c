"""The results of a model that draws random numbers depend on the cell alone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.attacks import parse_requests
from bench.attacks.measure import measure
from bench.engine.cell import Cell
from bench.engine.driver import Driver
from bench.engine.executors import InProcess
from bench.engine.loaded import Task
from bench.engine.seeding import seeded
from bench.studies.clever.cells import bound_cells, score_cells
from bench.studies.clever.options import CleverOptions
from bench.studies.clever.results import CleverSetting
from bench.studies.mip.cells import MipSetting, mip_cells
from bench.studies.spatial.cells import spatial_cells
from bench.studies.spatial.setting import SpatialSetting
from tests.engine.test_run import FGSM, PGD, World
from tests.toys import Linear, attack_cell, linear_problem

REQUESTS = (FGSM, PGD, *parse_requests(["pgd_t"], params={"steps": 2, "restarts": 2}))
TOY = {"dataset": "toys", "data": "toys", "protocol": "sound/1", "backend": "cpu"}


class Noisy(Linear):
    """Adds torch's, numpy's and Python's random numbers to its logits."""

    def forward(self, x: Tensor) -> Tensor:
        noise = torch.randn(len(x), 2) + np.random.normal() + torch.tensor([random.random(), 0.5])
        return super().forward(x) + 0.3 * noise


class Interleaved(InProcess):
    """Starts cells in another order, and each where another history left the random states."""

    slots = 3

    def submit(self, task: Task):
        torch.rand(random.randrange(1, 9))
        np.random.rand()
        return super().submit(task)


def noisy_world() -> World:
    world = World(110)
    world.setting = replace(world.setting, eps=(0.01, 0.02))
    model = Noisy(world.data.model.weight.detach()).requires_grad_(False).eval()
    world.loaded.keep_model(world.info.weights, "cpu", model)
    return world


def digests(executor: type[InProcess], seed: int) -> dict[str, str]:
    """What a run from this random state stores, by key."""
    world = noisy_world()
    torch.manual_seed(seed)
    driver = Driver(world.store, executor(world.loaded), world.models, world.source)
    assert driver.run(world.lanes(*REQUESTS)) == ()
    return {key: stored.result.digest for key, stored in world.store._cells.items()}


def test_two_runs_and_any_number_of_workers_agree() -> None:
    first = digests(InProcess, 0)
    assert len(first) == 2 * (1 + 3 * 2)
    assert digests(InProcess, 1) == first
    assert digests(Interleaved, 2) == first


def other_cells(world: World) -> Iterator[Cell]:
    """A cell of every other kind whose model is asked again and again."""
    way = {"interpolation": "bilinear", "fill": "black"}
    spatial = SpatialSetting(
        n=10, rotations=(), translations=(), draws=3, grid=(3, 3), turns=4, seed=0, **way, **TOY
    )
    yield from (
        cell for what in ("clean", "turn", "grid") for cell in spatial_cells(spatial, world.info, what)
    )
    yield from spatial_cells(spatial, world.info, "rotate", 30.0)
    yield from mip_cells(MipSetting(n=10, draws=2, grid=5, fill="black", seed=0, **TOY), world.info)
    options = CleverOptions(
        engine="batched", norm="l2", radius=1.0, batches=5, samples=8, pool_factor=2, targets=None, seed=0
    )
    clever = CleverSetting(n=10, options=options, **TOY)
    yield from (*score_cells(clever, world.info), *bound_cells(clever, world.info))


@pytest.mark.parametrize("place", range(7))
def test_cells_of_every_kind_agree(place: int) -> None:
    found = []
    for seed in range(3):
        world = noisy_world()
        cell = list(other_cells(world))[place]
        model = world.models[world.info.weights]
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)
        states = torch.get_rng_state(), np.random.get_state()[1].tobytes()
        task = Task(cell=cell, model=model, data=world.source, standing=None, device="cpu")
        found.append(world.loaded.run(task).digest)
        assert torch.equal(torch.get_rng_state(), states[0])
        assert np.random.get_state()[1].tobytes() == states[1]
    assert len(set(found)) == 1


def test_cells_differ_in_what_they_draw() -> None:
    """Else two seeds would be one, and a look at unchanged images would never give another answer."""
    model, x, y, _ = linear_problem()
    noisy = Noisy(model.weight.detach()).requires_grad_(False).eval()
    cells = [attack_cell(eps=0.0), attack_cell(eps=0.0, seed=1), attack_cell(eps=0.0, first=100)]
    margins = [measure(cell, noisy, x, y, np.ones(len(x), dtype=bool)).arrays["margin"] for cell in cells]
    assert not np.array_equal(margins[0], margins[1])
    assert not np.array_equal(margins[0], margins[2])


def test_every_random_state_is_seeded_and_put_back() -> None:
    def drawn() -> tuple[float, ...]:
        return float(torch.rand(())), float(np.random.rand()), random.random()

    before = random.getstate()
    with seeded(torch.device("cpu"), "a"):
        first = drawn()
    assert random.getstate() == before
    random.random()
    with seeded(torch.device("cpu"), "a"):
        assert drawn() == first
    with seeded(torch.device("cpu"), "b"):
        assert all(a != b for a, b in zip(drawn(), first, strict=True))
