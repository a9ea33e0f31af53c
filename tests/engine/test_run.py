"""The driver: cells that it skips and repeats, and results that it never changes."""

from __future__ import annotations

from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.attacks import Request, parse_requests
from bench.engine.driver import Driver, Failure
from bench.engine.executors import InProcess
from bench.engine.lane import Lane
from bench.engine.loaded import Loaded, Task
from bench.engine.result import CellResult
from bench.engine.store import MemoryStore
from bench.errors import CellError
from bench.inputs.model_info import ModelInfo
from bench.inputs.own_models import state_digest
from bench.inputs.sources import DataSource, ModelSource
from bench.studies.robustness.collect import collect
from bench.studies.robustness.plan import lanes
from bench.studies.robustness.results import Results, Setting
from tests.toys import linear_problem

EPS = (0.002, 0.005, 0.01, 0.02)
FGSM, PGD = parse_requests(["fgsm", "pgd"], params={"steps": 3})


class ToyData:
    """Images of the linear problem; answers like a data set."""

    def __init__(self, n: int) -> None:
        self.model, self.x, y, self.radius = linear_problem(n)
        self.labels, self.classes, self.name, self.sha256 = y.numpy().copy(), ("0", "1"), "toys", "toys"
        self.labels[::7] = 1 - self.labels[::7]

    def __len__(self) -> int:
        return len(self.x)

    def images(self, first: int = 0, count: int | None = None) -> torch.Tensor:
        return self.x[first : None if count is None else first + count]


class Counting(InProcess):
    """Counts the cells it ran, and fails those it is told to."""

    def __init__(self, loaded: Loaded, fail: set[tuple[str, float | None]] = frozenset()) -> None:  # type: ignore[assignment]
        super().__init__(loaded)
        self.ran: list[Task] = []
        self.fail = fail

    def submit(self, task: Task) -> Future[CellResult]:
        self.ran.append(task)
        if (task.cell.attack, task.cell.eps) in self.fail:
            future: Future[CellResult] = Future()
            future.set_exception(CellError("told to fail"))
            return future
        return super().submit(task)


class World:
    """A store, a model and images to run plans on."""

    def __init__(self, n: int = 250) -> None:
        self.data = ToyData(n)
        weights = state_digest(self.data.model)
        self.info = ModelInfo(
            name="linear", weights=weights, trained_on="toys", parameters=65, origin="python"
        )
        self.source = DataSource(spec="python")
        self.loaded = Loaded()
        self.loaded.keep_data(self.source, self.data)
        self.loaded.keep_model(weights, "cpu", self.data.model)
        self.models = {weights: ModelSource(kind="python", name="linear", target="linear", dataset="toys")}
        self.store = MemoryStore()
        self.setting = Setting(
            dataset="toys",
            data="toys",
            n=n,
            norm="linf",
            eps=EPS,
            curve="cumulative",
            seed=0,
            protocol="sound/1",
            backend="cpu",
        )

    def run(
        self,
        *requests: Request,
        fail: set[tuple[str, float | None]] = frozenset(),
        **setting: object,  # type: ignore[assignment]
    ) -> tuple[Counting, tuple[Failure, ...]]:
        self.setting = replace(self.setting, **setting)  # type: ignore[arg-type]
        executor = Counting(self.loaded, fail)
        driver = Driver(self.store, executor, self.models, self.source)
        return executor, driver.run(self.lanes(*requests))

    def lanes(self, *requests: Request) -> tuple[Lane, ...]:
        return lanes(self.setting, [self.info], requests)

    def results(self, *requests: Request) -> tuple[Results, ...]:
        return collect(
            self.store, self.setting, [(self.info, requests)], classes=("0", "1"), versions={}, command=""
        )


def test_curves_are_the_closed_form() -> None:
    world = World()
    world.run(FGSM, PGD)
    (model,) = world.results(FGSM, PGD)[0].models
    right = np.arange(250) % 7 != 0
    truth = (world.data.radius.numpy()[None] > np.array(EPS)[:, None]) & right
    assert np.array_equal(model.clean.correct, right)
    for curve in model.curves:
        assert np.array_equal(curve.standing, truth)


def test_a_second_run_measures_nothing() -> None:
    world = World()
    first, _ = world.run(FGSM, PGD)
    assert len(first.ran) == 3 * (1 + 2 * len(EPS))
    again, failures = world.run(FGSM, PGD)
    assert (again.ran, failures) == ([], ())


def test_growing_n_an_attack_and_a_larger_eps_run_only_what_is_new() -> None:
    world = World(300)
    world.run(FGSM, n=200)
    grown, _ = world.run(FGSM, n=300)
    assert {task.cell.first for task in grown.ran} == {200}
    attacked, _ = world.run(FGSM, PGD)
    assert {task.cell.attack for task in attacked.ran} == {"pgd"}
    larger, _ = world.run(FGSM, PGD, eps=(*EPS, 0.03))
    assert {task.cell.eps for task in larger.ran} == {0.03}


def test_cumulative_cells_attack_survivors_only_and_independent_ones_all() -> None:
    world = World()
    cumulative, _ = world.run(PGD)
    independent, _ = world.run(PGD, curve="independent")
    survivors = [
        task.standing.sum() for task in cumulative.ran if task.cell.first == 0 and task.standing is not None
    ]
    everyone = [
        task.standing.sum() for task in independent.ran if task.cell.first == 0 and task.standing is not None
    ]
    assert survivors == sorted(survivors, reverse=True)
    assert survivors[-1] < survivors[0]
    assert len(set(everyone)) == 1


def test_a_single_step_attack_always_takes_every_clean_right_image() -> None:
    world = World()
    ran, _ = world.run(FGSM)
    taken = [task.standing.sum() for task in ran.ran if task.cell.first == 0 and task.standing is not None]
    assert set(taken) == {int((np.arange(100) % 7 != 0).sum())}


def test_a_failed_cell_ends_its_lane_only_and_is_tried_again() -> None:
    world = World()
    fail: set[tuple[str, float | None]] = {("pgd", EPS[2])}
    _, failures = world.run(FGSM, PGD, fail=fail)
    assert {(failure.cell.eps, failure.reason) for failure in failures} == {(EPS[2], "told to fail")}
    assert str(failures[0]) == (
        f"linear, pgd ({failures[0].cell.library}) at ε {EPS[2]:.6g}, images 0–99: told to fail"
    )
    whole, partial = world.results(FGSM, PGD)
    assert [curve.request for curve in whole.models[0].curves] == [FGSM]
    assert partial.setting.eps == EPS[:2]
    assert [curve.request for curve in partial.models[0].curves] == [PGD]
    again, failures = world.run(FGSM, PGD)
    assert {task.cell.eps for task in again.ran} == set(EPS[2:])
    assert failures == ()
    assert len(world.results(FGSM, PGD)) == 1


def test_a_failed_clean_cell_is_named_once_and_takes_its_lanes_along() -> None:
    world = World(100)
    ran, failures = world.run(FGSM, PGD, fail={("none", None)})
    assert len(ran.ran) == 1
    assert len(failures) == 1


def test_progress_counts_every_cell_once_whatever_happens() -> None:
    for fail in (set(), {("pgd", EPS[1])}, {("none", None)}):
        world, seen = World(), []
        driver = Driver(
            world.store,
            Counting(world.loaded, fail),
            world.models,
            world.source,
            progress=lambda done, total, seen=seen: seen.append((done, total)),
        )
        driver.run(world.lanes(FGSM, PGD))
        total = 3 * (1 + 2 * len(EPS))  # the clean cell of a shard is one, however many attacks start from it
        assert seen[-1] == (total, total)
        assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_progress_begins_with_the_cells_that_are_stored() -> None:
    world, seen = World(), []
    world.run(FGSM)
    driver = Driver(
        world.store,
        Counting(world.loaded),
        world.models,
        world.source,
        progress=lambda done, total: seen.append((done, total)),
    )
    driver.run(world.lanes(FGSM, PGD))
    stored, measured = 3 * (1 + len(EPS)), 3 * len(EPS)
    assert seen == [(stored + done, stored + measured) for done in range(measured + 1)]


class Dying(Counting):
    """Loses each of the first cells it is given, as when the system kills a worker."""

    def __init__(self, loaded: Loaded, deaths: int) -> None:
        super().__init__(loaded)
        self.deaths = deaths

    def submit(self, task: Task) -> Future[CellResult]:
        if len(self.ran) < self.deaths:
            self.ran.append(task)
            future: Future[CellResult] = Future()
            future.set_exception(BrokenProcessPool("a child process terminated abruptly"))
            return future
        return super().submit(task)


@pytest.mark.parametrize(("deaths", "failed"), [(1, 0), (2, 1)])
def test_a_cell_whose_worker_died_gets_one_more_chance(deaths: int, failed: int) -> None:
    world = World(100)
    driver = Driver(world.store, Dying(world.loaded, deaths), world.models, world.source)
    failures = driver.run(world.lanes(PGD))
    assert len(failures) == failed
    assert all("worker process died" in failure.reason for failure in failures)


def test_a_model_that_changed_since_the_run_began_fails_its_cells() -> None:
    world = World(100)
    loaded = Loaded()
    loaded.keep_data(world.source, world.data)
    driver = Driver(
        world.store,
        InProcess(loaded),
        {
            world.info.weights: ModelSource(
                kind="zoo", name="baseline_cnn", target="baseline_cnn", dataset="digits"
            )
        },
        world.source,
    )
    failures = driver.run(world.lanes(FGSM))
    assert len(failures) == 1
    assert "has changed since the run began" in failures[0].reason
