"""Norms of margin gradients at many points; CLEVER spends most time here."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from bench.errors import CellError

DUALS: dict[str, float] = {"l2": 2.0, "linf": 1.0, "l1": math.inf}  # 1/p + 1/q = 1
PIXELS = 102_400  # a forward pass takes 100 images of 32×32: fastest of 10 … 250 on the CPUs tried


def chunk_of(shape: Sequence[int]) -> int:
    """The number of images (c, h, w) in one forward pass."""
    return max(1, PIXELS // (shape[-1] * shape[-2]))


def gradient_norms(
    model: nn.Module, points: Float[Tensor, "n c h w"], label: int, targets: Sequence[int], norm: str
) -> Float64[np.ndarray, "n targets"]:
    """‖∇(z_label − z_j)‖ in the dual norm at every point, for every target j (Weng et al. 2018, eq. 5).

    One forward pass serves all targets. No pass mixes the points of two images, so a norm does not depend
    on what else is measured, to the last bit.

    Raises:
        CellError: logits or gradients that are not finite, or logits without gradients.
    """
    parts = points.split(chunk_of(points.shape))
    norms = torch.cat([_norms(model, part, label, targets, DUALS[norm]) for part in parts])
    if not bool(torch.isfinite(norms).all()):
        raise CellError("the model's gradients are not finite near an image; CLEVER is not defined there")
    return norms.double().cpu().numpy()


def _norms(
    model: nn.Module, points: Float[Tensor, "n c h w"], label: int, targets: Sequence[int], dual: float
) -> Float[Tensor, "n targets"]:
    points = points.detach().requires_grad_()
    with torch.enable_grad():
        logits = differentiable(model, points)
        margins = [(logits[:, label] - logits[:, target]).sum() for target in targets]
    norms = []
    for margin in margins:
        (gradient,) = torch.autograd.grad(
            margin, points, retain_graph=margin is not margins[-1], materialize_grads=True
        )
        norms.append(torch.linalg.vector_norm(gradient.flatten(1), ord=dual, dim=1))
    return torch.stack(norms, dim=1)


def differentiable(model: nn.Module, points: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
    """Logits with a graph to ``points``; CellError where there is none, or where they are not finite."""
    logits = model(points)
    if not logits.requires_grad:
        raise CellError("the model's logits have no gradient with respect to the image; CLEVER needs one")
    if not bool(torch.isfinite(logits).all()):
        raise CellError("the model's logits are not finite near an image; CLEVER is not defined there")
    return logits
