"""Attacks on a model with a detector: one that does not know it, and one whose loss contains its score."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from bench.attacks.losses import broken, margin
from bench.engine.balls import project
from bench.studies.detect.detector import Detector

TRIES = (0.3, 1.0, None)  # weights of the score beside the margin; None is the orthogonal way
GRADIENTS = 1 + 2 * len(TRIES)  # of a step of all tries of both attacks
ENOUGH = 1.0  # margin beyond which an image counts as far enough on the wrong side
RATE = 2.5  # length of a step times steps, over ε


def plain(
    model: nn.Module, x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"], eps: float, steps: int
) -> Float[Tensor, "n c h w"]:
    """The last iterate of signed ascent on the cross-entropy from a random start: PGD (Madry et al. 2018)."""
    found = _start(x, eps)
    for _ in range(steps):
        found.requires_grad_(True)
        (slope,) = torch.autograd.grad(F.cross_entropy(model(found), y, reduction="sum"), found)
        found = _stepped(x, found, slope, eps, RATE / steps)
    return found


def adaptive(
    model: nn.Module,
    detector: Detector,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    eps: float,
    steps: int,
) -> Float[Tensor, "n c h w"]:
    """Of all iterates of all tries the misclassified one with the lowest score; an image itself where there is none.

    A try with a weight w follows g_m − w · g_s, where g_m is the gradient of the margin, up to a margin of 1, and g_s
    that of the score, down to the threshold, each of length 1. The orthogonal way (Bryniarski et al. 2021) increases
    the margin without changing the score, and once an image is misclassified decreases the score without changing the
    margin. Steps become shorter.
    """
    best, lowest = x.clone(), torch.full((len(x),), torch.inf, device=x.device)
    for weight in TRIES:
        found = _start(x, eps)
        for step in range(steps + 1):
            found.requires_grad_(True)
            logits, score = detector.ask(model, found)
            better = broken(logits.detach(), y) & (score.detach() < lowest)
            best[better], lowest[better] = found.detach()[better], score.detach()[better]
            if step == steps:
                break
            away, quiet = margin(logits, y), score - detector.threshold
            up = torch.autograd.grad(away.sum(), found, retain_graph=True)[0].flatten(1)
            loud = torch.autograd.grad(quiet.sum(), found)[0].flatten(1)
            way = _way(up, loud, away.detach(), quiet.detach(), weight).view_as(x)
            found = _stepped(x, found, way, eps, 2 * RATE / steps * (1 - step / steps))
    return best


def _way(
    up: Float[Tensor, "n d"],
    loud: Float[Tensor, "n d"],
    away: Float[Tensor, " n"],
    quiet: Float[Tensor, " n"],
    weight: float | None,
) -> Float[Tensor, "n d"]:
    """The direction of a try, from the gradients of margin and score, the margin, and the score minus the threshold."""
    up, loud = F.normalize(up, dim=1), F.normalize(loud, dim=1)
    if weight is not None:
        return up * (away < ENOUGH)[:, None] - weight * loud * (quiet > 0)[:, None]
    along = (up * loud).sum(1, keepdim=True)
    return torch.where((away > 0)[:, None], along * up - loud, up - along * loud)


def _start(x: Float[Tensor, "n c h w"], eps: float) -> Float[Tensor, "n c h w"]:
    return project(x, x + torch.empty_like(x).uniform_(-eps, eps), "linf", eps)


def _stepped(x: Tensor, found: Tensor, way: Tensor, eps: float, length: float) -> Tensor:
    """A signed step, its length as a share of ε."""
    return project(x, found.detach() + length * eps * way.sign(), "linf", eps)
