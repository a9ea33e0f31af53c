"""The workers of a cluster: which user's code each runs, and what happens when one is lost."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.engine.cluster.connection import Connection, Lost
from bench.engine.cluster.worker import ClusterWorker

PATIENCE = 5.0  # seconds between two looks for a free place


@dataclass(eq=False, slots=True)
class WorkerSlot:
    """A worker and its use.

    Attributes:
        own_code: whose code runs there besides ours (see ``bench.engine.where.own_code_of``).
        worker: the handle of its process.
        node: id of its node; empty until it has answered.
        taken: whether a cell runs there.
    """

    own_code: Hashable | None
    worker: Any
    node: str = ""
    taken: bool = True


class WorkerSlots:
    """As many workers as the cluster has room for; an idle one is replaced when other code needs its place.

    Args:
        cluster: where they are.
    """

    def __init__(self, cluster: Connection) -> None:
        self._cluster = cluster
        self._slots: list[WorkerSlot] = []
        self._changed = threading.Condition()
        self._closed = False

    @contextlib.contextmanager
    def taken(self, own_code: Hashable | None) -> Iterator[WorkerSlot]:
        """A worker for one cell; waits while all are taken. The worker is dropped if the block raises ``Lost``.

        Raises:
            Lost: it did not start, or the slots were closed.
        """
        slot = self._take(own_code)
        try:
            yield slot
        except Lost:
            if not self._closed:
                self._cluster.wait_for_end(slot.worker)  # else its place would be free too soon
            self._drop(slot)
            raise
        finally:
            with self._changed:
                slot.taken = False
                self._changed.notify_all()

    def _take(self, own_code: Hashable | None) -> WorkerSlot:
        while True:
            slot, new = self._found(own_code)
            if not new or self._started(slot):
                return slot
            self._drop(slot)

    def _found(self, own_code: Hashable | None) -> tuple[WorkerSlot, bool]:
        """A slot that is now taken, and whether its worker must still start."""
        with self._changed:
            while not self._closed:
                idle = [slot for slot in self._slots if not slot.taken]
                if same := [slot for slot in idle if slot.own_code == own_code]:
                    same[0].taken = True
                    return same[0], False
                slots = self._cluster.slots
                self._end(idle[: max(0, len(self._slots) + 1 - slots)])
                if len(self._slots) < slots:
                    self._slots.append(WorkerSlot(own_code, self._cluster.worker(ClusterWorker)))
                    return self._slots[-1], True
                self._changed.wait(PATIENCE)
        raise Lost("the slots were closed")

    def _started(self, slot: WorkerSlot) -> bool:
        """Waits until a worker answers; ``False`` if there is no room for it any more."""
        answer = slot.worker.about.remote()
        while not self._cluster.ray.wait([answer], timeout=PATIENCE)[0]:
            with self._changed:
                if self._closed or len(self._slots) > self._cluster.slots:
                    return False
        try:
            slot.node = self._cluster.get(answer)
        except Lost:
            self._drop(slot)
            raise
        return True

    def _drop(self, slot: WorkerSlot) -> None:
        with self._changed:
            if slot in self._slots:
                self._slots.remove(slot)
            self._changed.notify_all()
        self._cluster.ray.kill(slot.worker)

    def _end(self, slots: Sequence[WorkerSlot]) -> None:
        """Ends idle workers, which first remove their files."""
        leaving = [slot.worker.leave.remote() for slot in slots]
        if leaving:
            self._cluster.ray.wait(leaving, num_returns=len(leaving), timeout=PATIENCE)
        for slot in slots:
            self._slots.remove(slot)
            self._cluster.ray.kill(slot.worker)

    def close(self) -> None:
        """Ends all workers, whatever they compute."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._end([slot for slot in self._slots if not slot.taken])
            for slot in self._slots:
                self._cluster.ray.kill(slot.worker)
