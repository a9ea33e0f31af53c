"""Finds the logits in the output of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bench.errors import UsageError, nearest
from zoo.intervals import keeps_logits


def logits_of(answer: object, n: int, key: str = "") -> Tensor:
    """The logits (n, classes) in a model's output; a tensor of another shape stays as it is.

    A dictionary, tuple or object gives its part ``logits``, or else its only tensor (n, anything). One logit an
    image (n,) or (n, 1), as of a model trained on binary cross-entropy, is that of class 1: class 0 has the logit 0.

    Args:
        answer: the model's output.
        n: number of images it got.
        key: name or place of the logits among the parts; empty to find them.

    Raises:
        UsageError: there are no logits, or several parts may be logits. The caller puts the model's name before the
            message.
    """
    logits = answer if isinstance(answer, Tensor) and not key else _part(answer, n, key)
    if logits.is_floating_point() and logits.shape in ((n,), (n, 1)):
        one = logits.reshape(n)
        return torch.stack([torch.zeros_like(one), one], 1)
    return logits


def giving_logits(model: nn.Module) -> nn.Module:
    """The same model, changed to return its logits only."""
    model.register_forward_hook(logits_alone)
    return model


@keeps_logits
def logits_alone(_: nn.Module, given: tuple[Any, ...], answer: object) -> Tensor:
    """The forward hook of ``giving_logits``."""
    return logits_of(answer, len(given[0]))


def _part(answer: object, n: int, key: str) -> Tensor:
    kind, parts = type(answer).__name__, _parts(answer)
    if isinstance(found := parts.get(key or "logits"), Tensor):
        return found
    if key:
        has = f"; {nearest(key, tensors)}" if (tensors := _tensors(parts)) else ", so leave --output out"
        raise UsageError(f"gives a {kind}, which has no tensor {key!r} that --output asks for{has}")
    fitting = [name for name, value in _tensors(parts).items() if value.ndim == 2 and len(value) == n]
    if len(fitting) == 1:
        return parts[fitting[0]]
    if not fitting:
        raise UsageError(f"gives a {kind} without a tensor of logits, which must be ({n}, classes)")
    raise UsageError(
        f"gives a {kind} with several tensors that may be the logits; say which with --output "
        f"{' or '.join(fitting)}"
    )


def _parts(answer: object) -> dict[str, Any]:
    """The parts of an output by name, or by position as text."""
    if isinstance(answer, Tensor):
        return {}
    if isinstance(answer, Mapping):
        return {str(name): value for name, value in answer.items()}
    if isinstance(answer, Sequence) and not isinstance(answer, str):
        names = getattr(answer, "_fields", range(len(answer)))  # of a named tuple
        return {str(name): value for name, value in zip(names, answer, strict=True)}
    own = getattr(answer, "__dict__", {})
    return {**own, "logits": answer.logits} if hasattr(answer, "logits") else dict(own)  # type: ignore[attr-defined]


def _tensors(parts: Mapping[str, Any]) -> dict[str, Tensor]:
    return {name: value for name, value in parts.items() if isinstance(value, Tensor)}
