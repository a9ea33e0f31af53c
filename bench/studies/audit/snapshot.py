"""Fingerprints of everything a model can keep between two calls."""

from __future__ import annotations

import hashlib
import random
import types
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

_DEPTH = 8
_TORCHS_OWN = frozenset(vars(nn.Module()))  # parameters, buffers, submodules, hooks, mode: examined by name


def tensors_and_modes(model: nn.Module) -> dict[str, str]:
    """Fingerprints by name of all parameters, buffers and modes of a model and its parts."""
    found = {f"parameter {name}": _of_tensor(value) for name, value in model.named_parameters()}
    found |= {f"buffer {name}": _of_tensor(value) for name, value in model.named_buffers()}
    found |= {f"mode of {name or 'the model'}": str(part.training) for name, part in model.named_modules()}
    return found


def switches() -> dict[str, str]:
    """torch's global switches that change other computations."""
    return {
        "switch grad mode": str(torch.is_grad_enabled()),
        "switch default type": str(torch.get_default_dtype()),
        "switch threads": str(torch.get_num_threads()),
        "switch deterministic": str(torch.are_deterministic_algorithms_enabled()),
    }


def reachable_state(model: nn.Module) -> dict[str, str]:
    """Fingerprints by name of the other state a model can reach.

    That is attributes of its parts and of their classes, what their methods close over, and the globals these name.
    torch's own code is skipped.
    """
    seen: dict[int, Any] = {id(part): part for part in model.modules()}
    found = {}
    for name, part in model.named_modules():
        for key, value in _state_of(part):
            texts = "".join(_texts(value, seen, 0))
            if texts:
                found[f"{key} of {name or 'the model'}"] = hashlib.sha256(texts.encode()).hexdigest()
    return found


def _state_of(part: nn.Module) -> Iterator[tuple[str, Any]]:
    for key, value in vars(part).items():
        if key not in _TORCHS_OWN:
            yield key, value
    hooks = [
        hook for kind in ("_forward_hooks", "_forward_pre_hooks") for hook in getattr(part, kind).values()
    ]
    for place, hook in enumerate(hooks):
        yield f"hook {place}", hook
    for cls in type(part).__mro__:
        if _is_librarys(cls.__module__):
            continue
        for key, value in vars(cls).items():
            if isinstance(value, types.FunctionType):
                yield from _reach_of(value, set())
            elif not key.startswith("__"):
                yield f"class attribute {key}", value


def _reach_of(function: types.FunctionType, visited: set[types.FunctionType]) -> Iterator[tuple[str, Any]]:
    """What a function closes over, the globals it names, and the same of the functions among these."""
    visited.add(function)
    yield f"closure of {function.__name__}", function
    for key in function.__code__.co_names:
        value = function.__globals__.get(key)
        if isinstance(value, types.FunctionType):
            if value not in visited and not _is_librarys(value.__module__):
                yield from _reach_of(value, visited)
        elif value is not None and not isinstance(value, (type, types.ModuleType)):
            yield f"global {key}", value


def _is_librarys(module: str) -> bool:
    return module.partition(".")[0] in ("torch", "torchvision", "builtins", "zoo", "bench")


def _texts(value: Any, seen: dict[int, Any], depth: int) -> Iterator[str]:
    """A value as a stream of texts: equal streams for equal states.

    ``seen`` has the visited objects by id, and keeps them alive so that no id is used twice.
    """
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        yield f"{type(value).__name__} {value!r};"
        return
    if id(value) in seen or depth > _DEPTH:
        return
    seen[id(value)] = value
    if isinstance(value, Tensor):
        yield _of_tensor(value)
    elif isinstance(value, np.ndarray) and value.dtype != object:
        yield f"{value.dtype} {value.shape} {hashlib.sha256(value.tobytes()).hexdigest()};"
    else:
        yield type(value).__qualname__
        for part in _parts(value):
            yield from _texts(part, seen, depth + 1)


def _parts(value: Any) -> list[Any]:
    """The parts of an object."""
    if isinstance(value, torch.Generator):
        return [value.get_state()]
    if isinstance(value, np.random.Generator):
        return [value.bit_generator.state]
    if isinstance(value, np.random.RandomState):
        return [value.get_state()]
    if isinstance(value, random.Random):
        return [value.getstate()]
    if isinstance(value, Mapping):
        return [part for pair in value.items() for part in pair]
    if isinstance(value, (list, tuple, deque, np.ndarray)):
        return list(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    if isinstance(value, types.FunctionType):
        return [value.__defaults__, [_content(cell) for cell in value.__closure__ or ()]]
    if isinstance(value, types.MethodType):
        return [value.__self__, value.__func__]
    if isinstance(value, (type, types.ModuleType)):
        return []
    return [vars(value)] if hasattr(value, "__dict__") else []


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not yet filled
        return None


def _of_tensor(value: Tensor) -> str:
    plain = value.detach().cpu().contiguous()
    digest = hashlib.sha256(plain.flatten().view(torch.uint8).numpy().tobytes()).hexdigest()
    return f"{plain.dtype} {tuple(plain.shape)} {value.requires_grad} {digest};"
