"""Worker processes that are given a model and images from Python, which they could not load by themselves."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from torch import nn

from bench.engine.loaded import Task, worker
from bench.engine.result import CellResult
from bench.engine.signals import deferred, starting_workers
from bench.engine.workers import start_worker
from bench.errors import UsageError, in_words
from bench.inputs.sources import DataSource, Images, deployed

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class HandedModel:
    """The model and images that a worker gets.

    Attributes:
        weights: digest of the model.
        model: as its author made it, on the CPU.
        folded: whether it is measured as its folded equal.
        source, data: the images.
    """

    weights: str
    model: nn.Module
    folded: bool
    source: DataSource
    data: Images


class Handed:
    """Runs tasks in worker processes with one thread each, all of which have been given the same model.

    Args:
        given: the model and the images; they are pickled once.
        workers: number of processes.

    Raises:
        UsageError: they cannot be sent, or the processes do not start.
    """

    def __init__(self, given: HandedModel, workers: int) -> None:
        self.slots = workers
        try:
            sent = pickle.dumps(given)
        except Exception as fault:  # anything that the user's classes raise
            raise UsageError(
                f"workers is {workers}, but the model or the images cannot be sent to other processes "
                f"({in_words(fault)}); leave workers out, or define their classes in a file that can be imported"
            ) from fault
        self._sent = sent
        self._pool = self._started()
        try:
            self._submitted(_nothing).result()
        except BrokenProcessPool:
            self.close()
            raise UsageError(
                f"workers is {workers}, but the worker processes do not start (their reason is above): a script needs "
                '`if __name__ == "__main__":` around bench.evaluate, and the model a class that can be imported'
            ) from None

    def submit(self, task: Task) -> Future[CellResult]:
        try:
            return self._submitted(_run, task)
        except BrokenProcessPool:
            self._pool = self._started()
            return self._submitted(_run, task)

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _started(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self.slots, mp_context=context, initializer=_take, initargs=(self._sent,))

    def _submitted(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        with deferred(), starting_workers():
            return self._pool.submit(function, *args, **kwargs)


def _take(sent: bytes) -> None:
    start_worker(0)
    given: HandedModel = pickle.loads(sent)
    loaded = worker()
    loaded.keep_data(given.source, given.data)
    loaded.keep_model(given.weights, "cpu", deployed(given.model, "cpu", fold=given.folded), given.model)


def _nothing() -> None:
    """Does nothing; its result shows that a process has started."""


def _run(task: Task) -> CellResult:
    return worker().run(task)
