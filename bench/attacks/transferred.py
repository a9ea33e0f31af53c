"""Adversarial images made on other models: of the zoo or one's own, one or an ensemble."""

from __future__ import annotations

import functools
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from bench.attacks.surrogate import AND, DIGITS, digest_of, pinned
from bench.attacks.with_torchattacks import pgd
from bench.errors import CellError, UsageError
from bench.inputs.faults import out_of_memory
from bench.inputs.own_surrogates import OwnSurrogates
from bench.inputs.sources import ModelSource, deployed
from zoo import registry
from zoo.deployment import deploy


class Surrogate(nn.Module):
    """The mean of the logits of one or several models, by their names."""

    def __init__(self, members: dict[str, nn.Module]) -> None:
        super().__init__()
        self._names = list(members)
        self._members = nn.ModuleList(members.values())

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        logits = [self._asked(i, x) for i in range(len(self._names))]
        counts = {each.shape[1] for each in logits}
        if len(counts) > 1:
            found = ", ".join(
                f"{name} {len(each[0])}" for name, each in zip(self._names, logits, strict=True)
            )
            raise CellError(f"surrogates have logits of different classes ({found}); take some of one kind")
        return torch.stack(logits).mean(dim=0)

    def _asked(self, i: int, x: Float[Tensor, "n c h w"]) -> Tensor:
        try:
            return self._members[i](x)
        except RuntimeError as fault:
            if out_of_memory(fault):
                raise
            raise CellError(
                f"surrogate {self._names[i]} cannot take images of shape {tuple(x.shape[1:])}"
            ) from fault


def surrogate_of(names: str, own: OwnSurrogates | None, device: torch.device) -> Surrogate:
    """The models of a request on a device.

    Args:
        names: as ``bench.attacks.surrogate.borrowed`` gives them.
        own: sources of those that are not of the zoo.
        device: of the models.

    Raises:
        CellError: one of them is missing, or has changed since the run began.
    """
    sources = dict(own.sources) if own else {}
    members = {
        name: _own(sources[name], name) if name in sources else _loaded(pinned(name))
        for name in names.split(AND)
    }
    return Surrogate(members).to(device).requires_grad_(False).eval()


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
    target: Int64[Tensor, " n"] | None = None,
) -> Float[Tensor, "n c h w"]:
    """PGD of torchattacks on a surrogate; the attacked model is never called.

    A model that such images break more often than its own gradients do has gradients that mislead
    (Carlini et al. 2019; Pintor et al. 2022).

    Args:
        model: the attacked one, or the surrogate if it is built already.
        x, y, norm, eps, alpha, steps, random_start, target: as for ``with_torchattacks.pgd``.
        surrogate: models of the zoo and what they were trained on, as ``dataset/name``, with ``+`` between; after a
            ``#`` the first digits of its weights' sha256 may follow, as requests have it (see ``surrogate.pinned``).

    Raises:
        CellError: there is no such model, its weights differ, or it expects other images.
    """
    try:
        other = model if isinstance(model, Surrogate) else surrogate_of(surrogate, None, x.device)
    except UsageError as fault:
        raise CellError(str(fault)) from fault
    other(x[:1])
    params: dict[str, Any] = {"eps": eps, "alpha": alpha, "steps": steps, "random_start": random_start}
    return pgd(other, x, y, norm=norm, target=target, **params)


@functools.lru_cache(maxsize=4)
def _own(source: ModelSource, name: str) -> nn.Module:
    if "#" + digest_of(source)[:DIGITS] != name[-DIGITS - 1 :]:
        raise CellError(f"surrogate {source.name} has changed since the run began")
    return deployed(source.build(), "cpu")


@functools.lru_cache(maxsize=4)
def _loaded(surrogate: str) -> nn.Module:
    """The network of exactly these weights; other weights of the same name have an entry of their own."""
    place, _, digest = surrogate.partition("#")
    dataset, _, name = place.rpartition("/")
    try:
        record = registry.find(name, dataset)
        if not record.sha256.startswith(digest):
            raise CellError(f"the weights of surrogate {place} are not those of {digest}; run again")
        with torch.random.fork_rng(
            devices=[]
        ):  # building draws random numbers, and only the first call builds
            return deploy(registry.load_record(record)).requires_grad_(False).eval()
    except (registry.WeightsError, ValueError) as fault:
        raise CellError(f"surrogate {surrogate} cannot be loaded: {fault}") from fault
