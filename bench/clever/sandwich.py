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

    DDN (Rony et al. 2019) for L2; for L∞ and L1, FMN (Pintor et al. 2021) that starts where DDN succeeded,
    and DDN's own result where that is nearer; 100 steps each. Left alone, FMN creeps up to a flat boundary
    and may end just short of it. Nothing an attack says of itself is believed: a bound counts if a fresh
    look finds finite pixels in the box, finite logits and a wrong class. The caller's random state is put
    back. As with all attacks, last bits depend on which images form the batch.

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
    best = _Best(model, x, y, norm)
    at = clean.right.nonzero().squeeze(1)
    if len(at):
        with seeded(x.device, seed, first, "upper_bounds", norm):
            best.offer(at, _attacked("l2", model, x[at], y[at]))
            if norm != "l2":
                found = torch.isfinite(best.distances[at])
                for part, starts in ((at[found], best.images[at[found]]), (at[~found], None)):
                    if len(part):
                        best.offer(part, _attacked(norm, model, x[part], y[part], starts))
    distances = torch.where(torch.isfinite(best.distances), best.distances, torch.nan)
    return {
        "attacked": clean.right.cpu().numpy(),
        "distance": torch.where(clean.right, distances, 0.0).cpu().numpy(),
        "predicted": torch.where(clean.right, best.classes, clean.predicted).cpu().numpy(),
    }


class _Best:
    """The nearest verified misclassified version of every image so far."""

    def __init__(
        self, model: nn.Module, x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"], norm: str
    ) -> None:
        self.model, self.x, self.y, self.norm = model, x, y, norm
        self.images = x.clone()
        self.distances = torch.full((len(x),), torch.inf, dtype=torch.float64, device=x.device)
        self.classes = torch.full_like(y, NOT_ATTACKED)

    def offer(self, at: Int64[Tensor, " m"], images: Float[Tensor, "m c h w"]) -> None:
        """Takes those of ``images``, made from ``x[at]``, that break the model nearer than before."""
        inside = ((images >= 0) & (images <= 1)).flatten(1).all(dim=1)  # NaN is not inside
        images = torch.where(inside[:, None, None, None], images, self.x[at])
        verdict = look(self.model, images, self.y[at])
        distances = _distance(self.x[at], images, self.norm)
        better = inside & ~verdict.right & ~verdict.nonfinite & (distances < self.distances[at])
        self.images[at[better]] = images[better]
        self.distances[at[better]] = distances[better]
        self.classes[at[better]] = verdict.predicted[better]


def _attacked(
    norm: str,
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    starts: Float[Tensor, "n c h w"] | None = None,
) -> Float[Tensor, "n c h w"]:
    import eagerpy as ep
    import foolbox

    attacks = {
        "l2": foolbox.attacks.DDNAttack,
        "linf": foolbox.attacks.LInfFMNAttack,
        "l1": foolbox.attacks.L1FMNAttack,
    }
    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device=x.device)
    options = {} if starts is None else {"starting_points": ep.astensor(starts)}
    try:
        images, _, _ = attacks[norm](steps=STEPS)(wrapped, x.contiguous(), y, epsilons=None, **options)
    except Exception as fault:
        reason = f"{type(fault).__name__}: {fault}".splitlines()[0]
        raise CellError(f"foolbox's minimum-norm attack in {norm} raised {reason}") from fault
    return images.detach()


def _distance(
    x: Float[Tensor, "n c h w"], other: Float[Tensor, "n c h w"], norm: str
) -> Float64[Tensor, " n"]:
    return torch.linalg.vector_norm((other.double() - x.double()).flatten(1), ord=ORDERS[norm], dim=1)
