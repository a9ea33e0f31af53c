"""A cell that kills its worker fails alone: cells that ran at the same time are still measured."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from bench.engine.driver import Driver
from bench.engine.executors import InProcess
from bench.engine.loaded import Loaded, Task
from bench.engine.result import CellResult
from bench.leaderboard.file import read
from tests.engine.test_run import EPS, FGSM, PGD, World
from tests.own import call

DEADLY = """
import os
from torch import nn

class Net(nn.Module):
    def __init__(self, deadly):
        super().__init__()
        self.deadly, self.layer = deadly, nn.Linear(256, 10)
        nn.init.eye_(self.layer.weight)
        nn.init.constant_(self.layer.bias, float(deadly))

    def forward(self, x):
        if self.deadly and x.requires_grad and len(x) == 20:  # not yet at the first look, at 16 points
            os._exit(1)
        return self.layer(x.flatten(1))

def innocent(): return Net(False)
def deadly(): return Net(True)
"""


class SharedPool(InProcess):
    """Two slots; a cell takes a moment, and one of a deadly attack breaks off all that run then."""

    slots = 2

    def __init__(self, loaded: Loaded, deadly: str) -> None:
        super().__init__(loaded)
        self.deadly, self.lock = deadly, threading.Lock()
        self.running: dict[Future[CellResult], Task] = {}
        self.beside: list[tuple[str, ...]] = []  # the attacks that ran whenever one was started

    def submit(self, task: Task) -> Future[CellResult]:
        future: Future[CellResult] = Future()
        with self.lock:
            self.running[future] = task
            self.beside.append(tuple(each.cell.attack for each in self.running.values()))
            deadly = task.cell.attack == self.deadly
            threading.Timer(0.02 if deadly else 0.1, self._die if deadly else self._end, [future]).start()
        return future

    def _die(self, _: Future[CellResult]) -> None:
        with self.lock:
            for each in self.running:
                each.set_exception(BrokenProcessPool("a child process terminated abruptly"))
            self.running.clear()

    def _end(self, future: Future[CellResult]) -> None:
        with self.lock:
            if task := self.running.pop(future, None):
                future.set_result(super().submit(task).result())


@pytest.mark.parametrize("requests", [(PGD, FGSM), (FGSM, PGD)])
def test_only_the_cell_that_kills_its_worker_fails(requests: tuple) -> None:
    world = World(100)
    pool = SharedPool(world.loaded, deadly="fgsm")
    failures = Driver(world.store, pool, world.models, world.source).run(world.lanes(*requests))
    assert [(each.cell.attack, each.cell.eps) for each in failures] == [("fgsm", EPS[0])]
    assert "worker process died twice" in failures[0].reason
    (curve,) = world.results(*requests)[0].models[0].curves
    alone = World(100)
    alone.run(PGD)
    assert curve.digest == alone.results(PGD)[0].models[0].curves[0].digest


def test_a_cell_tried_again_has_the_workers_to_itself() -> None:
    world = World(300)
    pool = SharedPool(world.loaded, deadly="fgsm")
    failures = Driver(world.store, pool, world.models, world.source).run(world.lanes(PGD, FGSM))
    assert {each.cell.attack for each in failures} == {"fgsm"}
    assert len(failures) == 3  # one a shard
    assert pool.beside.count(("fgsm",)) >= 3
    assert any(len(each) == 2 for each in pool.beside)


@pytest.mark.processes
@pytest.mark.slow
def test_a_model_that_ends_its_process_takes_no_other_with_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text(DEADLY)
    models = ",".join(f"{tmp_path}/own.py:{name}" for name in ("innocent", "deadly"))
    table = tmp_path / "l.csv"
    words = ("run", "--model", models, "--attacks", "pgd", "--steps", 2, "--n", 20, "--eps", "0.02,0.1",
             "--workers", 2, "--store", tmp_path / "store", "--leaderboard", table,
             "--reports", tmp_path / "pages")  # fmt: skip
    answer = call(capsys, *words)
    assert answer.code == 1
    assert "worker process died twice" in answer.err
    assert [row["model"] for row in read(table)] == ["own:innocent"] * 2
