"""The memory of a CPU: the bytes of a gradient step, and the free bytes."""

from __future__ import annotations

import contextlib
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from torch.utils.weak import WeakIdKeyDictionary

from bench.engine.memory import SHARE, gradient_step
from bench.engine.seeding import seeded

WORKER = 400 * 2**20  # bytes of a worker process with torch and an attack library, before any image
_GROUPS = (  # files with limit and use of this process's group, for both versions of Linux control groups
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ),
)


def bytes_an_image(model: nn.Module, images: Float32[np.ndarray, "n c h w"]) -> int:
    """Most bytes that the tensors of one gradient step of these images take, by image; 0 if unknown.

    Args:
        model: deployed classifier on the CPU.
        images: a few.
    """
    x = torch.from_numpy(images)
    with (
        contextlib.suppress(Exception),
        seeded(x.device, "memory"),
        _Live() as live,
    ):  # the cell reports the fault
        gradient_step(model, x)
        return -(-live.peak // len(images))
    return 0


def workers_within(workers: int, step: int, free: int | None) -> int:
    """The number of these workers that have room for a gradient step of ``step`` bytes; at least 1.

    Args:
        workers: as many as are wanted.
        step: 0 if unknown, then all have room.
        free: ``None`` if unknown, then all have room.
    """
    if not step or free is None:
        return workers
    return max(1, min(workers, int(SHARE * free / (step + WORKER))))


def free_bytes() -> int | None:
    """Bytes that processes may still take, by the machine and its limits; ``None`` if unknown."""
    found = []
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        found.append(1024 * int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]))
    for limit, used in _GROUPS:
        with contextlib.suppress(OSError, ValueError):
            found.append(max(0, int(limit.read_text()) - int(used.read_text())))
    return min(found, default=None)


class _Live(TorchDispatchMode):
    """Counts the bytes of tensors that are not yet freed, and the largest such sum."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = self._now = 0
        self._known = WeakIdKeyDictionary()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        tree_map_only(Tensor, self._given, (args, kwargs or {}))
        return tree_map_only(Tensor, self._made, func(*args, **(kwargs or {})))

    def _given(self, tensor: Tensor) -> None:
        self._known.setdefault(tensor.untyped_storage(), 0)

    def _made(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage not in self._known:
            size = storage.nbytes()
            self._known[storage] = size
            self._now += size
            self.peak = max(self.peak, self._now)
            weakref.finalize(storage, self._freed, size)
        return tensor

    def _freed(self, size: int) -> None:
        self._now -= size
