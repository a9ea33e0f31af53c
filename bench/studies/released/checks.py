"""Refuses requests that a released protocol cannot fulfil."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from bench.attacks import RELEASED_REQUESTS, Request
from bench.engine.protocols import Released
from bench.errors import UsageError

NORMALISATION = "normalize"  # the attribute that holds a model's normalisation layer


def check_asked(rules: Released, *, norm: str, requests: Sequence[Request], batch: int | None = None) -> None:
    """Raises ``UsageError`` where a norm, attacks or a batch were requested that the protocol fixes."""
    if batch is not None:
        raise UsageError(
            f"--batch is {batch}, but protocol {rules.name} takes the batches of its script; leave --batch out"
        )
    if norm != "linf":
        raise UsageError(f"--norm is {norm}, but protocol {rules.name} has linf only; leave --norm out")
    if tuple(requests) not in ((), RELEASED_REQUESTS):
        raise UsageError(
            f"protocol {rules.name} runs its own FGSM and PGD (40 steps of 0.01); leave --attacks, --library and "
            "the parameters of attacks out"
        )


def check_network(model: nn.Module, name: str, rules: Released, channels: int) -> None:
    """Raises ``UsageError`` unless a protocol can be carried out on a model and images of so many channels."""
    if rules.raw and not isinstance(getattr(model, NORMALISATION, None), nn.Module):
        raise UsageError(
            f"protocol {rules.name} bypasses a model's normalisation layer, and {name!r} has none named "
            f"{NORMALISATION!r}; give the layer that name, or choose another protocol"
        )
    if channels not in (1, len(rules.mean)) and len(rules.mean) > 1:
        raise UsageError(
            f"protocol {rules.name} normalises {len(rules.mean)} channels, and the images have {channels}; "
            "choose another protocol"
        )
