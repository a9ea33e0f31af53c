"""The cost of a network: multiply-adds, memory and time for the logits of one image and for their gradient.

Multiply-adds and memory are counted, not timed: they are the same on every machine. Only convolutions and matrix
products are counted, as usual; biases, normalisation and activations cost far less.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

REPEATS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class PassCost:
    """One pass.

    Attributes:
        multiply_adds: of convolutions and matrix products.
        memory: the most bytes that images, weights and intermediate results took at once, without kernels' scratch.
        seconds: the shortest of ten runs, as other work of the machine only makes runs longer.
    """

    multiply_adds: int
    memory: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCost:
    """The logits of one image (``forward``), and their gradient by its pixels after that (``backward``)."""

    forward: PassCost
    backward: PassCost


def model_cost(model: nn.Module, image: Float[Tensor, "1 c h w"]) -> ModelCost:
    """The cost of a network as it is measured: in eval mode, its parameters frozen, on the image's device."""
    forward_count, forward_memory = _counted(model, lambda: _logits(model, image))
    both_count, both_memory = _counted(model, lambda: _gradient(model, image)())
    forward = min(_seconds(image, lambda: _logits(model, image)) for _ in range(REPEATS))
    backward = min(_seconds(image, _gradient(model, image)) for _ in range(REPEATS))
    return ModelCost(
        forward=PassCost(multiply_adds=forward_count, memory=forward_memory, seconds=forward),
        backward=PassCost(multiply_adds=both_count - forward_count, memory=both_memory, seconds=backward),
    )


def _logits(model: nn.Module, image: Tensor) -> Tensor:
    with torch.no_grad():
        return model(image)


def _gradient(model: nn.Module, image: Tensor) -> Callable[[], None]:
    """Runs the forward pass and returns a function that runs the backward pass."""
    leaf = image.detach().clone().requires_grad_()
    return model(leaf).sum().backward  # torch's counter hooks the image, which autograd.grad refuses then


def _seconds(image: Tensor, run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    if image.is_cuda:
        torch.cuda.synchronize(image.device)
    return time.perf_counter() - start


def _counted(model: nn.Module, run: Callable[[], Any]) -> tuple[int, int]:
    """Multiply-adds, and the most bytes alive at once."""
    from torch.utils.flop_counter import FlopCounterMode  # takes a second to load

    with (
        FlopCounterMode(display=False) as operations,
        _Alive([*model.parameters(), *model.buffers()]) as alive,
    ):
        run()
    return operations.get_total_flops() // 2, alive.most


class _Alive(TorchDispatchMode):
    """Tracks the storages of all tensors that operations give; ``most`` is the largest sum of their bytes."""

    def __init__(self, given: list[Tensor]) -> None:
        super().__init__()
        self._sizes: dict[int, tuple[StorageWeakRef, int]] = {}
        self.most = 0
        self._add(given)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self._add([each for each in tree_leaves((args, kwargs, out)) if isinstance(each, Tensor)])
        return out

    def _add(self, tensors: list[Tensor]) -> None:
        self._sizes = {key: each for key, each in self._sizes.items() if not each[0].expired()}
        for tensor in tensors:
            storage = tensor.untyped_storage()
            self._sizes.setdefault(storage._cdata, (StorageWeakRef(storage), storage.nbytes()))
        self.most = max(self.most, sum(size for _, size in self._sizes.values()))
