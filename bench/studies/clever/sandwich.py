"""Upper bounds from a minimum-norm attack, to compare with CLEVER."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn

from bench.attacks.measure import NOT_ATTACKED
from bench.engine.judge import ask_again
from bench.engine.seeding import seeded
from bench.errors import CellError, UsageError
from bench.inputs.faults import out_of_memory

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

    DDN (Rony et al. 2019) for L2; for L∞ and L1, FMN (Pintor et al. 2021) that starts where DDN succeeded, and DDN's
    own result where that is nearer; 100 steps each. By itself, FMN approaches a flat boundary slowly and may end just
    before it. An attack's own claim does not count: a bound counts if the judge finds finite logits and a wrong class.
    The caller's random state is restored. As with all attacks, last bits depend on which images form the batch.

    Args:
        model, x, y, first: as for ``clever``; parameters are frozen.
        norm: ``l2``, ``linf`` or ``l1``.
        seed: random numbers are used only where a gradient is zero.

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
    clean = ask_again(model, x, y)
    distance = torch.where(clean.right, torch.nan, 0.0).double()
    predicted = torch.where(clean.right, NOT_ATTACKED, clean.predicted)
    at = clean.right.nonzero().squeeze(1)
    if len(at):
        with seeded(x.device, seed, first, "upper_bounds", norm):
            images = _attacked(norm, model, x[at], y[at])
        verdict = ask_again(model, images, y[at])
        found = ~verdict.right & ~verdict.nonfinite
        distance[at[found]] = _distance(x[at], images, norm)[found]
        predicted[at[found]] = verdict.predicted[found]
    return {
        "attacked": clean.right.cpu().numpy(),
        "distance": distance.cpu().numpy(),
        "predicted": predicted.cpu().numpy(),
    }


def _attacked(
    norm: str, model: nn.Module, x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"]
) -> Float[Tensor, "n c h w"]:
    from bench.attacks.foolbox_model import Misclassified
    from bench.attacks.with_foolbox import ddn, fmn

    attack = ddn if norm == "l2" else fmn
    try:
        return attack(model, x, y, norm=norm, steps=STEPS, criterion=Misclassified)
    except Exception as fault:
        if out_of_memory(fault):
            raise
        reason = f"{type(fault).__name__}: {fault}".splitlines()[0]
        raise CellError(f"foolbox's minimum-norm attack in {norm} raised {reason}") from fault


def _distance(
    x: Float[Tensor, "n c h w"], other: Float[Tensor, "n c h w"], norm: str
) -> Float64[Tensor, " n"]:
    return torch.linalg.vector_norm((other.double() - x.double()).flatten(1), ord=ORDERS[norm], dim=1)
