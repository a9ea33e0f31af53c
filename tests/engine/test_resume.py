"""A run that is killed at any moment and started again ends like an uninterrupted one."""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.engine.driver import Driver
from bench.engine.store import MemoryStore, Stored
from bench.leaderboard.columns import TIMING
from tests.engine.test_run import EPS, FGSM, PGD, Counting, World
from tests.stores import cell_ids

CELLS = 3 * (1 + 2 * len(EPS))  # of the toy world


class Killed(BaseException):
    """Nothing catches it."""


class Mortal(MemoryStore):
    """Dies at its k-th write, before or after it."""

    def __init__(self, k: int, *, before: bool) -> None:
        super().__init__()
        self.left, self.before = k, before

    def put(self, stored: Stored) -> None:
        self.left -= 1
        if self.left == 0 and self.before:
            raise Killed
        super().put(stored)
        if self.left == 0:
            raise Killed


def digests(store: MemoryStore) -> dict[str, str]:
    return {key: stored.result.digest for key, stored in store._cells.items()}


@pytest.fixture(scope="module")
def whole() -> dict[str, str]:
    """What an uninterrupted run stores."""
    world = World()
    world.run(FGSM, PGD)
    assert len(digests(world.store)) == CELLS
    return digests(world.store)


def test_death_at_any_write_changes_nothing(whole: dict[str, str]) -> None:
    """Just before any write, or after the last one: after another one is before the next."""
    for k, before in [*((k, True) for k in range(1, CELLS + 1)), (CELLS, False)]:
        world = World()
        world.store = Mortal(k, before=before)
        with pytest.raises(Killed):
            world.run(FGSM, PGD)
        assert len(digests(world.store)) == k - before
        again, failures = world.run(FGSM, PGD)
        assert failures == ()
        assert len(again.ran) == CELLS - k + before
        assert digests(world.store) == whole


@pytest.mark.slow
def test_death_at_any_report_of_progress_changes_nothing(whole: dict[str, str]) -> None:
    def dying_at(k: int) -> Callable[[int, int], None]:
        def die(done: int, _: int) -> None:
            if done >= k:
                raise Killed

        return die

    for k in range(1, CELLS + 1):
        world = World()
        driver = Driver(world.store, Counting(world.loaded), world.models, world.source, progress=dying_at(k))
        with pytest.raises(Killed):
            driver.run(world.lanes(FGSM, PGD))
        world.run(FGSM, PGD)
        assert digests(world.store) == whole


MODELS = "baseline_cnn_4,equivariant_gcnn_4,parallel_gcnn"
STORED = 3 * 2 * (1 + 2 * 4)  # models × shards × (clean + attacks × ε)


def start(folder: Path, workers: int) -> subprocess.Popen[bytes]:
    """The command in a process group of its own."""
    folder.mkdir(exist_ok=True)
    words = ["run", "--zoo", MODELS, "--n", "200", "--attacks", "fgsm,pgd", "--workers", str(workers)]
    return subprocess.Popen(
        [sys.executable, "-m", "bench.commands.cli", *words],
        cwd=folder,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def finish(folder: Path, workers: int) -> list[list[str]]:
    """Runs to the end; the leaderboard without its timing columns."""
    process = start(folder, workers)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said.decode()
    return untimed(folder / "leaderboard.csv")


def untimed(path: Path) -> list[list[str]]:
    lines = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    kept = [i for i, column in enumerate(lines[0]) if column not in TIMING]
    return [[line[i] for i in kept] for line in lines]


def stored(folder: Path) -> int:
    return len(cell_ids(folder / ".symbench"))


def kill_at(folder: Path, cells: int, delay: float) -> bool:
    """Starts the command, and kills all its processes ``delay`` seconds after so many cells are stored."""
    process = start(folder, workers=2)
    while stored(folder) < cells and process.poll() is None:
        time.sleep(0.005)
    time.sleep(delay)
    alive = process.poll() is None
    if alive:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    return alive


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
def test_ten_kills_at_random_moments_change_no_byte(tmp_path: Path) -> None:
    calm = finish(tmp_path / "calm", workers=2)
    assert finish(tmp_path / "alone", workers=1) == calm
    moments = random.Random(0)
    torn, killed = tmp_path / "torn", 0
    for cells in [0, *sorted(moments.sample(range(1, STORED), 8)), STORED]:
        killed += kill_at(torn, cells, delay=moments.uniform(0, 0.3))
    assert killed == 10
    assert finish(torn, workers=2) == calm
    assert stored(torn) == stored(tmp_path / "calm") == STORED
