"""The literal table of attacks, by name and library."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

LIBRARIES: tuple[str, ...] = ("torchattacks", "foolbox")


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackSpec:
    """One attack of one library.

    Attributes:
        name: what users call it.
        library: the package that runs it.
        norms: norms of the balls it can search; the threat set is always that ball cut with the box [0, 1].
        iterative: whether it costs more than one gradient. Iterative attacks take only the images that
            still stand; single-step ones always attack every clean-right image.
        params: names of the parameters it takes besides ε, with their defaults. ``alpha`` ``None`` means
            the rule 2.5·ε/steps.
    """

    name: str
    library: str
    norms: tuple[str, ...]
    iterative: bool
    params: dict[str, str | int | float | bool | None]


_PGD: dict[str, str | int | float | bool | None] = {
    "steps": 20,
    "alpha": None,
    "random_start": True,
    "restarts": 1,
}

ATTACKS: dict[tuple[str, str], AttackSpec] = {
    (spec.name, spec.library): spec
    for spec in (
        AttackSpec(name="fgsm", library="torchattacks", norms=("linf",), iterative=False, params={}),
        AttackSpec(name="fgsm", library="foolbox", norms=("linf", "l2"), iterative=False, params={}),
        AttackSpec(name="pgd", library="torchattacks", norms=("linf", "l2"), iterative=True, params=_PGD),
        AttackSpec(name="pgd", library="foolbox", norms=("linf", "l2"), iterative=True, params=_PGD),
    )
}


def adapter(name: str, library: str) -> Callable[..., Tensor]:
    """The function that runs an attack: ``(model, x, y, *, norm, eps, **params) -> attacked x``.

    Images are (n, c, h, w) float tensors in [0, 1] on the model's device, labels (n,) int64. The adapter
    never judges its own result and knows nothing of restarts and seeds.
    """
    module = importlib.import_module(f"bench.attacks.with_{library}")
    return getattr(module, name)


def library_version(library: str) -> str:
    """``name==version`` of an installed attack library, as cells store it."""
    return f"{library}=={importlib.metadata.version(library)}"
