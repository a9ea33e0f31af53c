"""Models without gradients: finds the attacks that cannot and that can attack them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jaxtyping import Float
from torch import Tensor, nn

from bench.attacks import ATTACKS, Request
from bench.attacks.surrogate import SURROGATE
from bench.errors import UsageError
from bench.inputs.foreign import gradient_fault


def check_gradients(
    name: str, model: nn.Module, x: Float[Tensor, "n c h w"], requests: Sequence[Request]
) -> None:
    """Refuses attacks that need gradients on a model that gives none. Without such attacks the model is not run.

    Args:
        name: for the message.
        model: deployed model on the device of ``x``.
        x: images (n, c, h, w) in [0, 1].
        requests: the requested attacks.

    Raises:
        UsageError: one of them needs gradients, and the model gives none.
    """
    stuck = [request.label for request in requests if _follows(request)]
    if stuck and (why := gradient_fault(model, x)) is not None:
        norms = {request.norm for request in requests} - {""}
        raise UsageError(
            f"model {name!r} gives no gradients ({why}), so {listed(stuck, 'and')} cannot attack it; "
            f"use {listed(without_gradients(norms), 'or')}, which need none, "
            "and let bench audit say whether its gradients are masked"
        )


def _follows(request: Request) -> bool:
    """Whether an attack uses the gradients of the attacked model, and not those of a surrogate."""
    return request.spec.gradients and not dict(request.params).get(SURROGATE)


def without_gradients(norms: Iterable[str]) -> list[str]:
    """Attacks that need only a model's logits and search in these norms, or in none."""
    specs = [spec for spec in ATTACKS.values() if not spec.gradients and SURROGATE not in spec.params]
    return [spec.name for spec in specs if not spec.norms or set(norms) <= set(spec.norms)]


def listed(names: Sequence[str], word: str) -> str:
    """``a, b and c`` for the word ``and``."""
    *most, last = names
    return f"{', '.join(most)} {word} {last}" if most else last
