"""A signal never loses a measured cell: it is put into the store before the command stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path

import pytest

from bench.engine.driver import Driver
from bench.engine.executors import InProcess
from bench.engine.loaded import Task
from bench.engine.result import CellResult
from bench.engine.signals import Interrupted, deferred, stopping
from bench.engine.store import MemoryStore, Stored
from tests.engine.test_run import FGSM, PGD, World

SIGNALS = [(signal.SIGTERM, 143), (signal.SIGINT, 130)]


class Signalling(MemoryStore):
    """Sends its own process a signal as the first cell comes in, and is slow to take it."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def put(self, stored: Stored) -> None:
        if not self._cells:
            signal.raise_signal(self.number)
            time.sleep(0.01)
        super().put(stored)


class ThreeAtOnce(InProcess):
    """Three cells have ended whenever the driver looks."""

    slots = 3


class Stopped(InProcess):
    """The signal comes before the driver looks at what the second cell gave; the third is still computed."""

    slots = 3
    submitted = 0

    def submit(self, task: Task) -> Future[CellResult]:
        self.submitted += 1
        if self.submitted == 3:
            signal.raise_signal(signal.SIGTERM)
        return super().submit(task)


@pytest.mark.parametrize(("number", "code"), SIGNALS)
@pytest.mark.parametrize(("executor", "cells"), [(InProcess, 1), (ThreeAtOnce, 3)])
def test_a_signal_while_cells_are_stored_loses_none(
    executor: type[InProcess], cells: int, number: int, code: int
) -> None:
    world = World()
    world.store = store = Signalling(number)
    driver = Driver(store, executor(world.loaded), world.models, world.source)
    with pytest.raises(Interrupted) as stop, stopping():
        driver.run(world.lanes(FGSM, PGD))
    assert stop.value.exit_code == code
    assert len(store._cells) == cells


def test_cells_that_ended_before_the_driver_looked_are_stored() -> None:
    world = World()
    driver = Driver(world.store, Stopped(world.loaded), world.models, world.source)
    with pytest.raises(Interrupted), stopping():
        driver.run(world.lanes(FGSM, PGD))
    assert len(world.store._cells) == 2


def test_after_a_deferred_signal_the_next_command_stops_as_ever() -> None:
    for _ in range(2):
        done = False
        with pytest.raises(Interrupted), stopping():  # noqa: PT012
            with deferred(), deferred():
                signal.raise_signal(signal.SIGTERM)
                done = True
            raise AssertionError("the signal is lost")
        assert done
    with pytest.raises(Interrupted), stopping():  # noqa: PT012
        signal.raise_signal(signal.SIGTERM)
        raise AssertionError("the signal is lost")


def test_the_second_signal_is_not_deferred() -> None:
    code = """
import signal
from bench.engine.signals import deferred, stopping
with stopping(), deferred():
    signal.raise_signal(signal.SIGINT)
    print("first", flush=True)
    signal.raise_signal(signal.SIGINT)
    print("second", flush=True)
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert (ended.returncode, ended.stdout) == (130, "first\n")
