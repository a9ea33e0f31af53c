"""Gradients of margins and logits, and the points they are taken at."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn

import zoo
from bench.engine.seeding import seed_of
from bench.errors import UsageError

BATCH = 200
DITHER = 1e-4
TURNS = 4


def frozen(model: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy for measuring in ``dtype``: converted first and then folded, so that nothing is rounded twice."""
    with torch.random.fork_rng(devices=[]):  # new convolutions draw weights before they are given theirs
        return zoo.deploy(copy.deepcopy(model).to(dtype))


def dithered(x: Float[Tensor, "n c h w"], seed: int) -> Float[Tensor, "n c h w"]:
    """``x`` in [0, 1] with uniform noise of up to 1e-4 mixed in, still in [0, 1]; an 8-bit step is 4e-3.

    On a flat background all values under a max pooling are equal. There the network has no gradient, and
    autograd gives the pooling's first corner the whole of one, which is another corner of the turned image.
    """
    generator = torch.Generator().manual_seed(seed_of("theory dither", seed))
    noise = torch.rand(x.shape, generator=generator, dtype=torch.float64).to(x)
    return x * (1 - DITHER) + noise * DITHER


@torch.no_grad()
def top_two(model: nn.Module, x: Float[Tensor, "n c h w"]) -> Int64[Tensor, "n 2"]:
    """The predicted class c and the runner-up j of every image."""
    logits = torch.cat([model(part) for part in x.split(BATCH)])
    if logits.ndim != 2 or logits.shape[1] < 2:
        raise UsageError(
            f"logits of shape {tuple(logits.shape)} have no margin: 2 or more classes are needed"
        )
    return logits.topk(2, dim=1).indices


def margin_gradient(
    model: nn.Module, x: Float[Tensor, "n c h w"], classes: Int64[Tensor, "n 2"]
) -> tuple[Float[Tensor, " n"], Float[Tensor, "n c h w"]]:
    """The margin z_c − z_j of every image in logits, and its gradient in logits per unit of pixel value.

    Raises:
        UsageError: the model has no gradient, or one that is not finite.
    """
    return _value_and_gradient(model, x, classes, lambda logits: logits[:, 0] - logits[:, 1])


def logit_gradient(
    model: nn.Module, x: Float[Tensor, "n c h w"], classes: Int64[Tensor, " n"]
) -> Float[Tensor, "n c h w"]:
    """The gradient of the logit of each image's class, as ``margin_gradient``."""
    return _value_and_gradient(model, x, classes[:, None], lambda logits: logits[:, 0])[1]


def _value_and_gradient(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    classes: Int64[Tensor, "n m"],
    value: Callable[[Tensor], Tensor],
) -> tuple[Float[Tensor, " n"], Float[Tensor, "n c h w"]]:
    """A value of the chosen logits (n, m) of every image, and its gradient."""
    values, gradients = [], []
    for part, chosen in zip(x.split(BATCH), classes.split(BATCH), strict=True):
        images = part.detach().clone().requires_grad_()
        found = value(model(images).gather(1, chosen))
        try:
            (gradient,) = torch.autograd.grad(found.sum(), images)
        except RuntimeError as fault:
            raise UsageError(f"the model gives no gradient ({fault}); theory needs one") from fault
        values.append(found.detach())
        gradients.append(gradient)
    all_values, all_gradients = torch.cat(values), torch.cat(gradients)
    if not (torch.isfinite(all_values).all() and torch.isfinite(all_gradients).all()):
        raise UsageError("the model's margins or their gradients are not finite; theory needs finite ones")
    return all_values, all_gradients


def jacobian(model: nn.Module, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k d"]:
    """The gradients of all k logits by the d pixel values of each image."""
    images = x.detach().clone().requires_grad_()
    logits = model(images).sum(0)
    rows = [torch.autograd.grad(logit, images, retain_graph=True)[0].flatten(1) for logit in logits]
    return torch.stack(rows, 1)


def orbit_of(x: Float[Tensor, "n c s s"]) -> Float[Tensor, "turned c s s"]:
    """All images, then all turned by 90°, by 180°, by 270°."""
    return torch.cat([torch.rot90(x, turn, (-2, -1)) for turn in range(TURNS)])


def lengths(vectors: Float[Tensor, "n c h w"]) -> Float64[np.ndarray, " n"]:
    """L2 norms, of each image's values together."""
    return vectors.flatten(1).norm(dim=1).double().cpu().numpy()


def quotient(a: Float64[np.ndarray, "*n"], b: Float64[np.ndarray, "*n"]) -> Float64[np.ndarray, "*n"]:
    """a / b of numbers of at least 0: 0 where both are 0, +∞ where b alone is."""
    out = np.where(a > 0, np.inf, 0.0) + np.zeros_like(b)
    return np.divide(a, b, out=out, where=b > 0)
