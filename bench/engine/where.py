"""Where the cells of a command run, and which of them may share a process."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from bench.engine.loaded import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Where the cells of a command run.

    Attributes:
        devices: one for each cell that runs at once on this machine: ``cpu`` for each worker, or every GPU.
        cluster: a Ray cluster instead of this machine: ``auto``, ``HOST:PORT`` or ``local:N``; empty for none.
        most: cells that run at once on a cluster; ``None`` for as many as it has room for.
    """

    devices: tuple[str, ...]
    cluster: str = ""
    most: int | None = None


def own_code_of(task: Task) -> Hashable | None:
    """The user's code that a task runs, by name; tasks of different code share no process.

    ``None`` if it runs only ours.
    """
    if task.attack is not None:
        return task.model, task.attack
    return task.model if task.model.foreign else None
