"""The largest batch that fits, found with a memory that is only counted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from bench.engine.memory import SHARE, gradient_step, largest_batch
from bench.engine.shards import shards
from bench.inputs.faults import out_of_memory

IMAGE = torch.zeros(1, 1, 8, 8)


class Counted(nn.Module):
    """Notes the number of images of each forward pass; runs out of memory above ``most``."""

    def __init__(self, most: int = 10**9, fault: type[RuntimeError] = torch.OutOfMemoryError) -> None:
        super().__init__()
        self.seen: list[int] = []
        self.most, self.fault = most, fault

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(len(x))
        if len(x) > self.most:
            raise self.fault("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")
        return x.flatten(1)[:, :3]


class Counting:
    """A memory with so many free bytes, of which a step takes some for each image and some whatever its size."""

    def __init__(self, model: Counted, free: int, each: int, fixed: int = 0) -> None:
        self._model, self._free, self._each, self._fixed = model, free, each, fixed

    def free(self) -> int:
        return self._free

    def taken(self, step: Callable[[], None]) -> int:
        step()
        return self._fixed + self._each * self._model.seen[-1]


@pytest.mark.parametrize("fixed", [0, 5000])
@pytest.mark.parametrize("each", [1, 7, 300, 4000, 10**6])
def test_the_largest_power_of_two_within_the_share_is_found(each: int, fixed: int) -> None:
    model = Counted()
    free = 1_000_000
    found = largest_batch(model, IMAGE, Counting(model, free, each, fixed))
    fits = [2**k for k in range(13) if fixed + each * 2**k <= SHARE * free]
    assert found == max(fits, default=1)
    assert max(model.seen) <= 2 * found  # nothing far too large was tried


def test_no_more_than_the_most_is_tried() -> None:
    model = Counted()
    assert largest_batch(model, IMAGE, Counting(model, 10**12, 1), most=64) == 64
    assert max(model.seen) == 64


@pytest.mark.parametrize("fault", [torch.OutOfMemoryError, RuntimeError])
def test_running_out_of_memory_ends_the_search(fault: type[RuntimeError]) -> None:
    model = Counted(most=20, fault=fault)
    assert largest_batch(model, IMAGE, Counting(model, 10**12, 1)) == 16


def test_other_faults_are_no_lack_of_memory() -> None:
    assert not out_of_memory(RuntimeError("shape mismatch"))
    assert not out_of_memory(ValueError("DefaultCPUAllocator: no"))
    assert out_of_memory(MemoryError())


def test_a_model_without_gradients_is_only_looked_at() -> None:
    seen = []

    class Cut(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(torch.is_grad_enabled())
            return x.detach().flatten(1)

    gradient_step(Cut(), IMAGE)
    assert seen == [True, False]


def test_shards_cover_all_images_in_order() -> None:
    assert list(shards(250, 100)) == [(0, 100), (100, 100), (200, 50)]
    assert list(shards(50, 64)) == [(0, 50)]
