"""Upper bounds on the smallest perturbation: the other slice of bread."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn

from bench.errors import CellError, UsageError
from bench.judge import look
from bench.measure import NOT_ATTACKED, seeded

STEPS = 100
ORDERS: dict[str, float] = {"l2": 2.0, "linf": float("inf"), "l1": 1.0}


def upper_bounds(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    norm: str,
    *,
    first: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """The smallest perturbation a minimum-norm attack of foolbox finds, each one verified by the judge.

    DDN (Rony et al. 2019) for L2, FMN (Pintor et al. 2021) for L∞ and L1, 100 steps each. The caller's
    random state is put back. Nothing the attack says of itself is believed: a bound counts if a fresh look
    finds finite pixels in the box, finite logits and a wrong class. As with all attacks, last bits depend on which
    images form the batch.

    Args:
        model, x, y, first: as for ``clever``; parameters are frozen.
        norm: ``l2``, ``linf`` or ``l1``.
        seed: chance enters only where a gradient is zero.

    Returns:
        (n,) each: ``attacked`` (it was classified rightly before), ``distance`` in pixel units, float64: 0
        where it was wrong already, NaN where nothing was found; ``predicted``: the class the attack led
        to, or that of a wrong image; −1 where nothing was found.

    Raises:
        UsageError: an unknown norm.
        CellError: foolbox failed.
    """
    if norm not in ORDERS:
        raise UsageError(f"no minimum-norm attack for norm {norm!r}; known: {', '.join(ORDERS)}")
    clean = look(model, x, y)
    distances = torch.where(clean.right, torch.nan, 0.0).double()
    classes = torch.where(clean.right, NOT_ATTACKED, clean.predicted)
    at = clean.right.nonzero().squeeze(1)
    if len(at):
        with seeded(x.device, seed, first, "upper_bounds", norm):
            images = _attacked(model, x[at], y[at], norm)
        inside = torch.isfinite(images).flatten(1).all(dim=1)
        inside &= ((images >= 0) & (images <= 1)).flatten(1).all(dim=1)
        images = torch.where(inside[:, None, None, None], images, x[at])
        verdict = look(model, images, y[at])
        broken = inside & ~verdict.right & ~verdict.nonfinite
        distances[at[broken]] = _distance(x[at], images, norm)[broken]
        classes[at[broken]] = verdict.predicted[broken]
    return {
        "attacked": clean.right.cpu().numpy(),
        "distance": distances.cpu().numpy(),
        "predicted": classes.cpu().numpy(),
    }


def _attacked(
    model: nn.Module, x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"], norm: str
) -> Float[Tensor, "n c h w"]:
    import foolbox

    attacks = {
        "l2": foolbox.attacks.DDNAttack,
        "linf": foolbox.attacks.LInfFMNAttack,
        "l1": foolbox.attacks.L1FMNAttack,
    }
    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device=x.device)
    try:
        images, _, _ = attacks[norm](steps=STEPS)(wrapped, x.contiguous(), y, epsilons=None)
    except Exception as fault:
        reason = f"{type(fault).__name__}: {fault}".splitlines()[0]
        raise CellError(f"foolbox's minimum-norm attack in {norm} raised {reason}") from fault
    return images.detach()


def _distance(
    x: Float[Tensor, "n c h w"], other: Float[Tensor, "n c h w"], norm: str
) -> Float64[Tensor, " n"]:
    return torch.linalg.vector_norm((other.double() - x.double()).flatten(1), ord=ORDERS[norm], dim=1)
