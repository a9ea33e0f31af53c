"""Torch's and Python's global switches, which a model under suspicion may change when it is called."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def left_alone() -> Iterator[None]:
    """Runs with gradients on, and puts back the caller's switches and Python's random state afterwards.

    Convolutions on a GPU are in whole float32: torch's default there, TF32, keeps 10 bits of each factor.

    Without it one model that turns gradients off for good would ruin the numbers of all that follow it in
    the same process.
    """
    state, grad, dtype = random.getstate(), torch.is_grad_enabled(), torch.get_default_dtype()
    threads, tf32 = torch.get_num_threads(), torch.backends.cudnn.allow_tf32
    torch.set_grad_enabled(True)
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        random.setstate(state)
        torch.set_grad_enabled(grad)
        torch.set_default_dtype(dtype)
        torch.backends.cudnn.allow_tf32 = tf32
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
