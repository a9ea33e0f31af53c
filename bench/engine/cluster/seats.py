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
class Seat:
    """A worker and its use.

    Attributes:
        company: whose code runs there besides ours (see ``bench.engine.where.company_of``).
        worker: the handle of its process.
        node: id of its node; empty until it has answered.
        taken: whether a cell runs there.
    """

    company: Hashable | None
    worker: Any
    node: str = ""
    taken: bool = True


class Seats:
    """As many workers as the cluster has room for; an idle one is replaced when other code needs its place.

    Args:
        cluster: where they are.
    """

    def __init__(self, cluster: Connection) -> None:
        self._cluster = cluster
        self._seats: list[Seat] = []
        self._changed = threading.Condition()
        self._closed = False

    @contextlib.contextmanager
    def taken(self, company: Hashable | None) -> Iterator[Seat]:
        """A worker for one cell; waits while all are taken. The worker is dropped if the block raises ``Lost``.

        Raises:
            Lost: it did not start, or the seats were closed.
        """
        seat = self._take(company)
        try:
            yield seat
        except Lost:
            if not self._closed:
                self._cluster.wait_for_end(seat.worker)  # else its place would be free too soon
            self._drop(seat)
            raise
        finally:
            with self._changed:
                seat.taken = False
                self._changed.notify_all()

    def _take(self, company: Hashable | None) -> Seat:
        while True:
            seat, new = self._found(company)
            if not new or self._started(seat):
                return seat
            self._drop(seat)

    def _found(self, company: Hashable | None) -> tuple[Seat, bool]:
        """A seat that is now taken, and whether its worker must still start."""
        with self._changed:
            while not self._closed:
                idle = [seat for seat in self._seats if not seat.taken]
                if same := [seat for seat in idle if seat.company == company]:
                    same[0].taken = True
                    return same[0], False
                slots = self._cluster.slots
                self._end(idle[: max(0, len(self._seats) + 1 - slots)])
                if len(self._seats) < slots:
                    self._seats.append(Seat(company, self._cluster.worker(ClusterWorker)))
                    return self._seats[-1], True
                self._changed.wait(PATIENCE)
        raise Lost("the seats were closed")

    def _started(self, seat: Seat) -> bool:
        """Waits until a worker answers; ``False`` if there is no room for it any more."""
        answer = seat.worker.about.remote()
        while not self._cluster.ray.wait([answer], timeout=PATIENCE)[0]:
            with self._changed:
                if self._closed or len(self._seats) > self._cluster.slots:
                    return False
        try:
            seat.node = self._cluster.get(answer)
        except Lost:
            self._drop(seat)
            raise
        return True

    def _drop(self, seat: Seat) -> None:
        with self._changed:
            if seat in self._seats:
                self._seats.remove(seat)
            self._changed.notify_all()
        self._cluster.ray.kill(seat.worker)

    def _end(self, seats: Sequence[Seat]) -> None:
        """Ends idle workers, which first remove their files."""
        leaving = [seat.worker.leave.remote() for seat in seats]
        if leaving:
            self._cluster.ray.wait(leaving, num_returns=len(leaving), timeout=PATIENCE)
        for seat in seats:
            self._seats.remove(seat)
            self._cluster.ray.kill(seat.worker)

    def close(self) -> None:
        """Ends all workers, whatever they compute."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._end([seat for seat in self._seats if not seat.taken])
            for seat in self._seats:
                self._cluster.ray.kill(seat.worker)
