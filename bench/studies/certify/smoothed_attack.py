"""An attack on the smoothed network, a verified upper bound to compare with its certificates.

Each step goes down the gradient of the label's mean probability under noise (Salman et al. 2019, SmoothAdv) until
another class leads by far; then it searches for the shortest part of this path that still changes the vote.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn

from bench.studies.certify.options import WRONG
from bench.studies.certify.smoothing import noise, votes

STEPS, PER_STEP = 60, 50  # steps at most, and noisy images each gradient is taken over
STEP = 0.5  # length of a step, in σ
HALVINGS = 8  # of the way back to the image
VERIFYING = 1000  # noisy images that vote in an election
LEVEL = WRONG / (HALVINGS + 2)  # chance that an election is wrong; so many are held at most


def attack_smoothed(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    first: int,
    sigma: float,
    seed: int,
) -> dict[str, Float64[np.ndarray, " n"]]:
    """Sizes of the smallest changes found that make the smoothed network give another class.

    Verified by an election: of 1,000 fresh noisy images so many are of one other class that, were the label as
    frequent, it would happen for any class with a probability of 0.0001 at most. Ten elections are held at most.

    Returns:
        ``l2`` and ``linf`` (n,), in pixel units; 0 where the image itself is of another class, NaN where nothing was
        found.
    """
    found: dict[str, list[float]] = {"l2": [], "linf": []}
    for i, (image, label) in enumerate(zip(x, y, strict=True)):
        broken = _nearest(model, image, int(label), sigma, seed, first + i)
        delta = None if broken is None else (broken.double() - image.double()).flatten()
        found["l2"].append(float("nan") if delta is None else float(delta.norm()))
        found["linf"].append(float("nan") if delta is None else float(delta.abs().max()))
    return {norm: np.array(values) for norm, values in found.items()}


def _nearest(
    model: nn.Module, image: Float[Tensor, "c h w"], label: int, sigma: float, seed: int, index: int
) -> Float[Tensor, "c h w"] | None:
    """The nearest image on the way to the descent's end that is verified to be of another class."""
    election = itertools.count()

    def elected(point: Tensor) -> bool:
        draws = noise(seed, index, f"verification {next(election)}", VERIFYING, tuple(image.shape))
        return is_other(votes(model, point, sigma, draws), label)

    if elected(image):
        return image
    end = _descended(model, image, label, sigma, seed, index)
    if not elected(end):
        return None
    low, high, best = 0.0, 1.0, end
    for _ in range(HALVINGS):
        part = (low + high) / 2
        point = image + part * (end - image)
        if elected(point):
            high, best = part, point
        else:
            low = part
    return best


def is_other(counts: Int64[np.ndarray, " classes"], label: int) -> bool:
    """Whether some class has significantly more votes than the label.

    One-sided binomial test of the most frequent other class; the level is divided by the number of other classes.
    """
    from scipy import stats

    other = int(np.delete(counts, label).max(initial=0))
    p = stats.binom.sf(other - 1, other + int(counts[label]), 0.5) if other else 1.0
    return bool(p * (len(counts) - 1) <= LEVEL)


def _descended(
    model: nn.Module, image: Float[Tensor, "c h w"], label: int, sigma: float, seed: int, index: int
) -> Float[Tensor, "c h w"]:
    point = image.clone()
    (unit,) = noise(seed, index, "attack", PER_STEP, tuple(image.shape))
    unit = unit.to(image.device)
    for _ in range(STEPS):
        point.requires_grad_(True)
        logits = model(point + sigma * unit)
        if float((logits.argmax(1) == label).double().mean()) < 0.2:
            break
        chance = torch.logsumexp(logits.log_softmax(1)[:, label], 0)
        (slope,) = torch.autograd.grad(chance, point)
        length = slope.norm()
        if not bool(length > 0) or not bool(torch.isfinite(length)):
            break
        point = (point.detach() - STEP * sigma * slope / length).clamp_(0, 1)
    return point.detach()
