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
from tests.forked import Forking
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


def words(workers: int) -> list[str]:
    return ["run", "--zoo", MODELS, "--n", "200", "--attacks", "fgsm,pgd", "--workers", str(workers)]


def finish(forking: Forking, folder: Path, workers: int) -> list[list[str]]:
    """Runs to the end; the leaderboard without its timing columns."""
    folder.mkdir(exist_ok=True)
    with forking.start(words(workers), folder) as process:
        assert process.wait() == 0, process.stderr.read().decode()
    return untimed(folder / "leaderboard.csv")


def untimed(path: Path) -> list[list[str]]:
    lines = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    kept = [i for i, column in enumerate(lines[0]) if column not in TIMING]
    return [[line[i] for i in kept] for line in lines]


def stored(folder: Path) -> int:
    return len(cell_ids(folder / ".symbench"))


def kill_at(forking: Forking, folder: Path, workers: int, cells: int, delay: float) -> bool:
    """Starts the command, and kills all its processes ``delay`` seconds after so many cells are stored."""
    with forking.start(words(workers), folder) as process:
        while stored(folder) < cells and process.poll() is None:
            time.sleep(0.02)
        time.sleep(delay)
        alive = process.poll() is None
        if alive:
            os.killpg(process.pid, signal.SIGKILL)
    return alive


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
def test_ten_kills_at_random_moments_change_no_byte(forking: Forking, tmp_path: Path) -> None:
    """The undisturbed run has a new Python, so its hashes of strings are other ones than those of the killed runs."""
    calm, torn = tmp_path / "calm", tmp_path / "torn"
    for folder in (calm, torn):
        folder.mkdir()
    command = [sys.executable, "-m", "bench.commands.cli", *words(workers=2)]
    subprocess.run(command, cwd=calm, stdout=subprocess.DEVNULL, check=True)
    whole = untimed(calm / "leaderboard.csv")
    assert finish(forking, tmp_path / "alone", workers=1) == whole
    moments, killed = random.Random(0), 0
    for i, cells in enumerate([0, *sorted(moments.sample(range(1, STORED), 8)), STORED]):
        killed += kill_at(forking, torn, 1 + i % 2, cells, delay=moments.uniform(0, 0.3))
    assert killed == 10
    assert finish(forking, torn, workers=2) == whole
    assert stored(torn) == stored(calm) == STORED
