"""Runs cells on a Ray cluster: one worker on each CPU or GPU, which Ray places on the nodes.

Images, weights and code of a user's own go through the object store, once to each node. The results come back to this
process, which alone writes the store.
"""

from __future__ import annotations

from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from typing import Any

from bench.engine.cluster.connection import Connection, Lost
from bench.engine.cluster.slots import WorkerSlots
from bench.engine.loaded import Loaded, Task
from bench.engine.result import CellResult
from bench.engine.where import Where, own_code_of
from bench.inputs.own_attacks import OwnAttack
from bench.inputs.packing import packed, sources_of
from bench.inputs.sources import DataSource, ModelSource

TRIES = 4  # a cell fails when more nodes than this were lost while it ran


class Cluster:
    """Runs tasks on the nodes of a Ray cluster.

    A model that is not of the zoo and a user's own attack have workers of their own. A cell whose node is lost runs
    again elsewhere; a cell that ends its worker breaks only its own future.

    Args:
        loaded: the models and images of this process; the nodes get the images.
        where: the cluster, and how many cells run at once at most.

    Raises:
        UsageError: the cluster cannot be reached or used.
    """

    def __init__(self, loaded: Loaded, where: Where) -> None:
        self._loaded = loaded
        self._cluster = Connection(where)
        self._slots = WorkerSlots(self._cluster)
        self._threads = ThreadPoolExecutor(self._cluster.most)  # each waits for one cell
        self._sent: dict[DataSource | ModelSource | OwnAttack, Any] = {}

    @property
    def slots(self) -> int:
        return self._cluster.slots

    def submit(self, task: Task) -> Future[CellResult]:
        try:
            images, packed_files = self._images(task.data), self._files(task)
        except (Exception, SystemExit) as fault:
            future: Future[CellResult] = Future()
            future.set_exception(fault)
            return future
        return self._threads.submit(self._measured, task, [images], packed_files)

    def close(self) -> None:
        """Ends the workers, whatever they compute."""
        self._slots.close()
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._loaded.workers.close()
        self._cluster.leave()

    def _images(self, source: DataSource) -> Any:
        if source not in self._sent:
            self._sent[source] = self._cluster.ray.put(self._loaded.data(source))
        return self._sent[source]

    def _files(self, task: Task) -> list[Any]:
        """References to the packed files of a task's model, and of its attack if it has any."""
        own_code, sources = own_code_of(task), (task.model, *sources_of(task.attack))
        for source in sources:
            if source in self._sent:
                continue
            apart = own_code is not None and source.kind != "zoo"
            found = (
                self._loaded.workers.of(own_code).submit(packed, source).result() if apart else packed(source)
            )
            self._sent[source] = self._cluster.ray.put(found)
        return [self._sent[source] for source in sources]

    def _measured(self, task: Task, images: list[Any], packed_files: list[Any]) -> CellResult:
        for _ in range(TRIES):
            node = ""
            try:
                with self._slots.taken(own_code_of(task)) as slot:
                    node = slot.node
                    outcome = self._cluster.get(slot.worker.run.remote(task, images, packed_files))
            except Lost:
                if node and self._cluster.lives(node):
                    break
                continue
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome
        raise BrokenExecutor("a worker of the cluster ended")
