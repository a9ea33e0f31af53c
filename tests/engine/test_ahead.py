"""Images of the next shard are read while a GPU measures this one."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest
import torch

from bench.engine.ahead import Ahead
from bench.engine.driver import Driver
from bench.engine.lane import Lane
from bench.engine.loaded import Task
from bench.engine.result import CellResult
from bench.engine.store import MemoryStore
from bench.inputs.array_data import array_data
from bench.inputs.sources import DataSource, ModelSource
from tests.toys import clean_cell, linear_problem
from zoo.data import DataError, Dataset
from zoo.ordering import order


class Noted:
    """Pixels that note which of them were read, and in which thread."""

    shape = (12, 1, 8, 8)

    def __init__(self) -> None:
        self.read: list[tuple[int, int, bool]] = []
        self.done = threading.Event()

    def __len__(self) -> int:
        return 12

    def __getitem__(self, chosen: slice) -> np.ndarray:
        self.read.append((chosen.start, chosen.stop, threading.current_thread() is threading.main_thread()))
        if len(self.read) > 1:
            self.done.set()
        return np.full((chosen.stop - chosen.start, 1, 8, 8), chosen.start, np.uint8)


def dataset(pixels: Noted) -> Dataset:
    labels = np.arange(12) % 2
    return Dataset("noted", "test", pixels, labels[order(labels)], ("0", "1"), 255, "digest")


def test_the_next_shard_is_read_before_it_is_asked_for_and_each_once() -> None:
    pixels, ahead = Noted(), Ahead()
    data = dataset(pixels)
    assert torch.equal(ahead.images(data, (0, 4), (4, 4)), torch.zeros(4, 1, 8, 8))
    assert pixels.done.wait(10)  # nobody asked for it yet
    assert pixels.read == [(0, 4, False), (4, 8, False)]
    pixels.read.clear()
    assert torch.equal(ahead.images(data, (0, 4), (4, 4)), torch.zeros(4, 1, 8, 8))  # another attack's cell
    assert (ahead.images(data, (4, 4), (8, 4)) == torch.tensor(4 / 255)).all()
    assert (ahead.images(data, (8, 4), None) == torch.tensor(8 / 255)).all()
    assert pixels.read == [(8, 12, False)]


def test_a_fault_of_reading_reaches_who_asks() -> None:
    ahead, data = Ahead(), dataset(Noted())
    ahead.images(data, (0, 4), (10, 4))
    with pytest.raises(DataError, match="images 10 to 14 were requested"):
        ahead.images(data, (10, 4), None)


def test_a_users_own_images_are_read_in_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    _, x, y, _ = linear_problem(8)
    monkeypatch.setattr(threading.Thread, "start", lambda thread: pytest.fail("a thread was started"))
    assert torch.equal(Ahead().images(array_data("own", x, y), (2, 3), (5, 3)), x[2:5])


class Asked:
    """Notes for each shard which one was announced, and finds that every image stands."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.seen: list[tuple[int, Any]] = []

    def submit(self, task: Task) -> Future[CellResult]:
        self.seen.append((task.cell.first, task.following))
        found: Future[CellResult] = Future()
        standing = np.ones(task.cell.count, dtype=bool)
        found.set_result(CellResult(arrays={"standing": standing}, seconds=0.0, gradients=0))
        return found

    def close(self) -> None:
        """Nothing to stop."""


@pytest.mark.parametrize(("slots", "device"), [(1, "cuda"), (2, "cuda"), (1, "cpu")])
def test_one_process_of_a_gpu_is_told_which_images_come_next(slots: int, device: str) -> None:
    lanes = [
        Lane(first=clean_cell(first=first, count=count)) for first, count in ((0, 10), (10, 10), (20, 5))
    ]
    executor, source = Asked(slots), DataSource(spec="digits")
    model = ModelSource(kind="zoo", name="toy", target="toy", dataset="digits")
    assert not Driver(MemoryStore(), executor, {"w": model}, source, device=device).run(lanes)
    ahead = (slots, device) == (1, "cuda")
    after = {0: (10, 10), 10: (20, 5), 20: None} if ahead else dict.fromkeys((0, 10, 20))
    assert dict(executor.seen) == after
