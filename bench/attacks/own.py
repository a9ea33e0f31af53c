"""A user's own attack: the checks of it, and its calls.

Its code may do anything, so it is checked and run in separate processes. It gets copies of the images and of the model,
so that its changes do not reach the judge.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from bench.attacks.surrogate import AND, SURROGATE
from bench.attacks.table import OWN, OWN_CODE, OWN_JUDGED, Defaults
from bench.engine import workers
from bench.engine.cell import Cell
from bench.engine.kind import Subject
from bench.errors import CellError, UsageError
from bench.inputs.own_attacks import OwnAttack, description
from bench.inputs.own_surrogates import OwnSurrogates
from bench.inputs.sources import deployed
from bench.inputs.switches import left_alone


@dataclass(frozen=True, slots=True, eq=False)
class Attacker:
    """An attack with its model.

    Attributes:
        model: the attacked model, or its surrogates.
        own: a user's own attack as an adapter; ``None`` for an attack of the table.
    """

    model: nn.Module
    own: Callable[..., Tensor] | None = None


def described(source: OwnAttack) -> Defaults:
    """The parameters of an attack with their defaults, the judge's and the digest of its code among them.

    Raises:
        UsageError: it cannot be loaded or called as an attack, or its code ended the process.
    """
    group = workers.WorkerGroup(1)
    try:
        own, code = group.submit(description, source).result()
    except (BrokenProcessPool, SystemExit):
        raise UsageError(
            f"the code of attack {source.name!r} ended its process when it was looked at"
        ) from None
    finally:
        group.close()
    return {**own, **OWN_JUDGED, OWN_CODE: code}


def attacker(cell: Cell, subject: Subject) -> Attacker:
    """The attacker of a cell: on the model itself, or on its surrogates.

    Raises:
        CellError: the user's attack or a surrogate is missing, or has changed since the run began.
    """
    name = cell.attack
    if cell.library.partition("==")[0] != OWN:
        return Attacker(_followed(cell, subject))
    source = subject.attack
    if not isinstance(source, OwnAttack):
        raise CellError(f"the code of attack {name!r} is not at hand; name its file with bench run --attacks")
    with left_alone():
        function = source.load()
    if source.code(function) != cell.param(OWN_CODE):
        raise CellError(f"attack {name!r} has changed since the run began")
    return Attacker(deployed(subject.raw(), str(subject.x.device)), _guarded(function, name))


def _followed(cell: Cell, subject: Subject) -> nn.Module:
    """The model whose gradients an attack uses. The attack ``transfer`` loads a surrogate of the zoo by itself."""
    names, own = str(dict(cell.params).get(SURROGATE) or ""), subject.attack
    if not names or (cell.attack == "transfer" and own is None and AND not in names):
        return subject.model
    from bench.attacks.transferred import surrogate_of

    return surrogate_of(names, own if isinstance(own, OwnSurrogates) else None, subject.x.device)


def _guarded(function: Callable[..., Any], name: str) -> Callable[..., Tensor]:
    """The user's function as an adapter."""

    def call(model: nn.Module, x: Tensor, y: Tensor, *, eps: float, norm: str, **params: Any) -> Tensor:
        params.pop(OWN_CODE)
        with left_alone():
            found = function(model, x.clone(), y.clone(), eps, norm, **params)
        if not isinstance(found, Tensor):
            raise CellError(f"attack {name!r} gave a {type(found).__name__}; it must give a tensor of images")
        if found.shape != x.shape:
            raise CellError(
                f"attack {name!r} gave images of shape {tuple(found.shape)}; it must give {tuple(x.shape)}, "
                "the shape of x"
            )
        return found.detach().to(x)

    return call
