"""Adversarial images made on another model of the zoo."""

from __future__ import annotations

import functools

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from bench.attacks.surrogate import pinned
from bench.attacks.with_torchattacks import pgd
from bench.errors import CellError, UsageError
from zoo import registry
from zoo.deployment import deploy


def transfer(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    norm: str,
    eps: float,
    alpha: float,
    steps: int,
    random_start: bool,
    surrogate: str,
) -> Float[Tensor, "n c h w"]:
    """PGD of torchattacks on a surrogate; the attacked model itself is never asked.

    A model that such images break more often than its own gradients do has gradients that mislead
    (Carlini et al. 2019; Pintor et al. 2022).

    Args:
        model, x, y, norm, eps, alpha, steps, random_start: as for ``with_torchattacks.pgd``.
        surrogate: a model of the zoo and what it was trained on, as ``dataset/name``; after a ``#`` the
            first digits of its weights' sha256 may follow, as requests have it (see ``surrogate.pinned``).

    Raises:
        CellError: there is no such model, its weights are others, or it takes other images.
    """
    try:
        other = _loaded(pinned(surrogate)).to(x.device)
    except UsageError as fault:
        raise CellError(str(fault)) from fault
    try:
        other(x[:1])
    except RuntimeError as fault:
        raise CellError(f"surrogate {surrogate} cannot take images of shape {tuple(x.shape[1:])}") from fault
    return pgd(other, x, y, norm=norm, eps=eps, alpha=alpha, steps=steps, random_start=random_start)


@functools.lru_cache(maxsize=2)
def _loaded(surrogate: str) -> nn.Module:
    """The network of these very weights, which other weights of the same name do not replace."""
    place, _, digest = surrogate.partition("#")
    dataset, _, name = place.rpartition("/")
    try:
        record = registry.find(name, dataset)
        if not record.sha256.startswith(digest):
            raise CellError(f"the weights of surrogate {place} are not those of {digest}; run again")
        with torch.random.fork_rng(devices=[]):  # building draws numbers, and only the first call builds
            return deploy(registry.load_record(record)).requires_grad_(False).eval()
    except (registry.WeightsError, ValueError) as fault:
        raise CellError(f"surrogate {surrogate} cannot be had: {fault}") from fault
