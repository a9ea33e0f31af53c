"""Global switches of torch and Python, which other people's code may change when it is loaded or called."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from bench.inputs.precision import ALL, CONVOLUTIONS, PRODUCTS, Switch, use_full
from zoo.notes import note_once

_CUDNN = ("enabled", "benchmark", "deterministic")


def _directory() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # the variable was removed
        return None


def _set_cudnn(values: tuple[bool, ...]) -> None:
    for name, value in zip(_CUDNN, values, strict=True):
        setattr(torch.backends.cudnn, name, value)


# name of a switch → how it is read, and how it is restored; one that others follow is before them
_SWITCHES: dict[str, Switch] = {
    "the working directory": (_directory, lambda value: value and os.chdir(value)),
    "the default dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "the default device": (
        torch.get_default_device,
        lambda value: torch.set_default_device(None if value.type == "cpu" else value),
    ),
    "the number of threads": (torch.get_num_threads, torch.set_num_threads),
    "the grad mode": (torch.is_grad_enabled, torch.set_grad_enabled),
    "the deterministic flags": (
        lambda: (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        lambda value: torch.use_deterministic_algorithms(value[0], warn_only=value[1]),
    ),
    "the precision of float32": (ALL.read, ALL.restore),
    "the precision of matrix products": (PRODUCTS.read, PRODUCTS.restore),
    "the precision of convolutions": (CONVOLUTIONS.read, CONVOLUTIONS.restore),
    "the flags of cuDNN": (lambda: tuple(getattr(torch.backends.cudnn, name) for name in _CUDNN), _set_cudnn),
}


@contextmanager
def _kept() -> Iterator[list[str]]:
    """Restores every switch afterwards; the list then has the names of those that had changed."""
    before = {name: get() for name, (get, _) in _SWITCHES.items()}
    changed: list[str] = []
    try:
        yield changed
    finally:
        for name, (get, put) in _SWITCHES.items():
            if get() != before[name]:
                changed.append(name)
                put(before[name])


@contextmanager
def left_alone() -> Iterator[None]:
    """Runs with gradients on, and restores the caller's switches and Python's random state afterwards.

    Products and convolutions use full float32: torch's default for convolutions on a GPU, TF32, keeps 10 bits of each
    factor. Tensors made inside are ordinary ones, even if the caller is in inference mode.

    Without this, a model that turns gradients off permanently would spoil the numbers of all later ones in the same
    process.
    """
    state = random.getstate()
    try:
        with torch.inference_mode(False), _kept():
            torch.set_grad_enabled(True)
            use_full()
            yield
    finally:
        random.setstate(state)


@contextmanager
def put_back(who: str) -> Iterator[None]:
    """Restores every switch and random state that other people's code changes, and prints which switches.

    Args:
        who: owner of the code, for the line on stderr; a worker process prints nothing.
    """
    of_python, of_numpy = random.getstate(), np.random.get_state()
    changed: list[str] = []
    try:
        with torch.random.fork_rng(devices=[]), _kept() as changed:
            yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)
        if changed:
            note_once(f"{who} changed {' and '.join(changed)}; put back as before")
