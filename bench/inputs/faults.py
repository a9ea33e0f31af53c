"""Recognises faults that other people's code raises."""

from __future__ import annotations

import torch

_LACK = (  # texts about memory, where torch has no class for the fault
    "DefaultCPUAllocator: ",
    "CUDA error: out of memory",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_ALLOC_FAILED",
)


def out_of_memory(fault: BaseException) -> bool:
    """Whether a fault says that memory ran out, on a GPU or a CPU."""
    if isinstance(fault, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(fault, RuntimeError) and any(text in str(fault) for text in _LACK)
