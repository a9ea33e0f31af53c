"""Probes of the gradients: whether they exist, and whether they are the model's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from bench.attacks import adapter
from bench.attacks.losses import margin
from bench.studies.audit.subject import EPS, ProbedModel, answer, ask, gradient

SIZES = (1 / 255, 4 / 255, 16 / 255)  # sizes of the steps that test a gradient's prediction
LIBRARY_STEPS = 3


def gradients(subject: ProbedModel) -> dict[str, np.ndarray]:
    """C3, C4: L1 norms of the gradients at the image and at a random point of its ball.

    ``gradient_ce`` and ``gradient_margin`` (2, n), NaN where a gradient is not finite; ``gradient_max`` (n,),
    largest entry of the cross-entropy's at the image; ``gradient_fault``, a text that says why there is none.
    """
    if subject.gradient_fault:
        return {"gradient_fault": np.array(subject.gradient_fault)}
    of_ce = (subject.clean.slope, subject.near.slope)
    of_margin = (gradient(subject.model, subject.x, subject.y, of_margin=True), subject.near_margin.slope)
    return {
        "gradient_fault": np.array(""),
        "gradient_ce": np.stack([_sizes(found) for found in of_ce]),
        "gradient_margin": np.stack([_sizes(found) for found in of_margin]),
        "gradient_max": of_ce[0].flatten(1).abs().amax(1).double().cpu().numpy(),
    }


def _sizes(found: Float[Tensor, "n c h w"]) -> np.ndarray:
    sizes = found.double().abs().sum(dim=(1, 2, 3))
    return torch.where(torch.isfinite(sizes), sizes, torch.nan).cpu().numpy()


def finite(subject: ProbedModel) -> dict[str, np.ndarray]:
    """C25: ``nonfinite`` and ``nonfinite_gradient`` (5, n) bool at five points near each image.

    These are the image, a noisy one, FGSM's and PGD's, and one halfway to uniform noise.

    Gradients count as finite where the model has none.
    """
    far = (subject.x + torch.rand_like(subject.x)) / 2
    if subject.path is None:
        points = (subject.x, subject.noise, subject.fgsm, subject.pgd, far)
        logits = _nonfinite([ask(subject.model, at) for at in points])
        return {"nonfinite": logits, "nonfinite_gradient": np.zeros_like(logits)}
    further = [answer(subject.model, at, subject.y) for at in (subject.fgsm, subject.pgd, far)]
    logits, slopes = zip(subject.clean, subject.near, *further, strict=True)
    return {"nonfinite": _nonfinite(logits), "nonfinite_gradient": _nonfinite(slopes)}


def _nonfinite(values: Sequence[Tensor]) -> Bool[np.ndarray, "p n"]:
    return torch.stack([~torch.isfinite(each).flatten(1).all(1) for each in values]).cpu().numpy()


def promise(subject: ProbedModel) -> dict[str, np.ndarray]:
    """C32: the change of a step, as a share of the change that the gradient predicts.

    ``promise`` (sizes, n): change of the margin over a step along its gradient's sign, inside the box, divided
    by the change to first order; 1 for a linear model. NaN where the gradient is 0. The sizes are ``SIZES``.
    Steps start at the noisy image: flat parts of a clean one tie under max pooling, and have no gradient there.
    """
    x = subject.noise
    logits, slope = subject.near_margin
    before = margin(logits.double(), subject.y)
    ratios = []
    for size in SIZES:
        moved = (x + size * slope.sign()).clamp(0, 1)
        promised = (slope.double() * (moved - x).double()).sum(dim=(1, 2, 3))
        change = margin(ask(subject.model, moved).double(), subject.y) - before
        ratios.append(torch.where(promised != 0, change / promised, torch.nan))
    return {"promise": torch.stack(ratios).cpu().numpy()}


def trace(subject: ProbedModel) -> dict[str, np.ndarray]:
    """C15: PGD from the image itself, ε = 8/255, 50 steps.

    ``trace_loss`` (steps + 1, n), largest other logit minus the label's at each iterate; ``trace_standing``, likewise,
    bool. There are fewer steps if every image broke. The margin is used because the cross-entropy of a confident model
    grows exponentially along a straight line.
    """
    path = subject.path
    if path is None:
        return {}
    return {"trace_loss": path.margin.cpu().numpy(), "trace_standing": path.standing.cpu().numpy()}


def libraries(subject: ProbedModel) -> dict[str, np.ndarray]:
    """C22: ``library_difference`` (n,), largest pixel difference between torchattacks' and foolbox' images.

    FGSM and 3 steps of PGD, without a random start.
    """
    worst = torch.zeros(len(subject.x), dtype=torch.float64)
    params = {"alpha": 2.5 * EPS / LIBRARY_STEPS, "steps": LIBRARY_STEPS, "random_start": False}
    for name, given in (("fgsm", {}), ("pgd", params)):
        first, second = (
            adapter(name, library)(
                subject.model, subject.x.clone(), subject.y, norm="linf", eps=EPS, **given
            ).detach()
            for library in ("torchattacks", "foolbox")
        )
        apart = (first - second).double().flatten(1).abs().amax(1)
        worst = torch.maximum(worst, torch.nan_to_num(apart, nan=torch.inf).cpu())
    return {"library_difference": worst.numpy()}
