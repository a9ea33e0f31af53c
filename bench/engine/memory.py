"""The memory that a gradient step takes, and the largest batch that fits in a device's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from bench.engine.seeding import seeded
from bench.inputs.faults import out_of_memory

MOST = 4096  # images of a shard on a GPU
SHARE = 0.7  # of the free memory that a gradient step may take


@runtime_checkable
class Memory(Protocol):
    """The memory of a device."""

    def free(self) -> int:
        """Free bytes."""
        ...

    def taken(self, step: Callable[[], None]) -> int:
        """Runs a step; the most bytes that it took."""
        ...


class CudaMemory:
    """The memory of a GPU, as torch's allocator counts it."""

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)

    def free(self) -> int:
        torch.cuda.empty_cache()
        return torch.cuda.mem_get_info(self._device)[0]

    def taken(self, step: Callable[[], None]) -> int:
        torch.cuda.reset_peak_memory_stats(self._device)
        before = torch.cuda.memory_allocated(self._device)
        step()
        torch.cuda.synchronize(self._device)
        return torch.cuda.max_memory_allocated(self._device) - before


def largest_batch(model: nn.Module, image: Float[Tensor, "1 c h w"], memory: Memory, most: int = MOST) -> int:
    """The largest power of two, up to ``most``, whose gradient step takes at most 70 % of the free memory.

    The batch is doubled step by step. A size is not tried if the two sizes before it predict that it would take more.

    Args:
        model: deployed classifier on the device of ``image``.
        image: repeated to a batch.
        memory: of that device.
        most: at least 1.

    Returns:
        At least 1, even if one image takes more.
    """
    room = SHARE * memory.free()
    fitting, before, expected, size = 1, 0, 0, 1
    while size <= most and expected <= room:
        step = partial(gradient_step, model, image.expand(size, -1, -1, -1).contiguous())
        try:
            took = memory.taken(step)
        except (RuntimeError, MemoryError) as fault:
            if not out_of_memory(fault):
                raise
            break
        if took > room:
            break
        fitting, expected, before = size, took + 2 * max(0, took - before), took
        size *= 2
    return fitting


def largest_on_gpu(
    model: nn.Module, image: Float32[np.ndarray, "1 c h w"], device: str, most: int = MOST
) -> int:
    """Like ``largest_batch``, on a GPU, of an image as an array."""
    x = torch.from_numpy(image).to(device)
    with seeded(x.device, "memory"):  # the model may draw random numbers
        return largest_batch(model, x, CudaMemory(device), most)


def gradient_step(model: nn.Module, x: Float[Tensor, "n c h w"]) -> None:
    """A gradient by the images; only a forward pass if the model gives no gradients, as attacks on it take no more.

    Raises:
        RuntimeError, MemoryError: memory ran out (see ``out_of_memory``).
    """
    images = x.clone().requires_grad_()
    try:
        torch.autograd.grad(model(images).sum(), images)
    except Exception as fault:  # anything that the model raises
        if out_of_memory(fault):
            raise
        with torch.no_grad():
            model(x)
