"""Losses of attacks and criteria of success, as functions of logits."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from bench.errors import CellError


def margin(logits: Float[Tensor, "n classes"], y: Int64[Tensor, " n"]) -> Float[Tensor, " n"]:
    """The largest other logit minus the label's: above 0 only where the image is misclassified."""
    others = logits.scatter(1, y[:, None], -torch.inf).amax(dim=1)
    return others - logits.gather(1, y[:, None]).squeeze(1)


def dlr(logits: Float[Tensor, "n classes"], y: Int64[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Difference of logits ratio (Croce & Hein 2020, untargeted): −(z_y − max_{i≠y} z_i) / (z_π1 − z_π3).

    π sorts the logits from largest to smallest. Neither shifting nor scaling the logits changes the loss, so
    it keeps its gradient where the cross-entropy underflows.

    Raises:
        CellError: fewer than three classes.
    """
    if logits.shape[1] < 3:
        raise CellError(f"the DLR loss needs at least 3 classes, the model has {logits.shape[1]}")
    largest = logits.topk(3, dim=1).values
    return margin(logits, y) / (largest[:, 0] - largest[:, 2] + 1e-12)  # three equal logits: not 0/0


def targeted_dlr(
    logits: Float[Tensor, "n classes"], y: Int64[Tensor, " n"], target: Int64[Tensor, " n"]
) -> Float[Tensor, " n"]:
    """Targeted difference of logits ratio (Croce & Hein 2020): −(z_y − z_t) / (z_π1 − (z_π3 + z_π4)/2).

    Raises:
        CellError: fewer than four classes.
    """
    if logits.shape[1] < 4:
        raise CellError(f"the targeted DLR loss needs at least 4 classes, the model has {logits.shape[1]}")
    largest = logits.topk(4, dim=1).values
    at = torch.stack([y, target], dim=1)
    label, aim = logits.gather(1, at).unbind(dim=1)
    return (aim - label) / (largest[:, 0] - (largest[:, 2] + largest[:, 3]) / 2 + 1e-12)


def broken(logits: Float[Tensor, "n classes"], y: Int64[Tensor, " n"]) -> Bool[Tensor, " n"]:
    """Whether an image is misclassified or has a logit that is not finite; the judge counts it as broken."""
    return (logits.argmax(dim=1) != y) | ~torch.isfinite(logits).all(dim=1)


def reached(
    logits: Float[Tensor, "n classes"], y: Int64[Tensor, " n"], target: Int64[Tensor, " n"] | None
) -> Bool[Tensor, " n"]:
    """Whether an attack has reached its goal: a broken image, or with targets the target's class and finite logits."""
    if target is None:
        return broken(logits, y)
    return (logits.argmax(dim=1) == target) & torch.isfinite(logits).all(dim=1)


def keep_reached(
    found: Float[Tensor, "n c h w"], meets: Bool[Tensor, " n"], otherwise: Float[Tensor, "n c h w"]
) -> Float[Tensor, "n c h w"]:
    """The images of an attack that meet its goal and are finite; ``otherwise`` in place of the others."""
    kept = meets & torch.isfinite(found).flatten(1).all(dim=1)
    return torch.where(kept[:, None, None, None], found, otherwise)


def sought(
    logits: Float[Tensor, "n classes"], y: Int64[Tensor, " n"], target: Int64[Tensor, " n"] | None
) -> Float[Tensor, " n"]:
    """The value that an attack increases: the margin of the largest wrong class, or that of the target."""
    return margin(logits, y) if target is None else -margin(logits, target)
