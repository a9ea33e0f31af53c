"""Margin gradients, and the points they are taken at."""

from __future__ import annotations

import copy

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

import zoo
from bench.engine.seeding import seed_of
from bench.errors import UsageError

BATCH = 200
DITHER = 1e-4


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
    margins, gradients = [], []
    for part, pair in zip(x.split(BATCH), classes.split(BATCH), strict=True):
        images = part.detach().clone().requires_grad_()
        logits = model(images).gather(1, pair)
        margin = logits[:, 0] - logits[:, 1]
        try:
            (gradient,) = torch.autograd.grad(margin.sum(), images)
        except RuntimeError as fault:
            raise UsageError(f"the model gives no gradient ({fault}); theory needs one") from fault
        margins.append(margin.detach())
        gradients.append(gradient)
    margin, gradient = torch.cat(margins), torch.cat(gradients)
    if not (torch.isfinite(margin).all() and torch.isfinite(gradient).all()):
        raise UsageError("the model's margins or their gradients are not finite; theory needs finite ones")
    return margin, gradient


def jacobian(model: nn.Module, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k d"]:
    """The gradients of all k logits by the d pixel values of each image."""
    images = x.detach().clone().requires_grad_()
    logits = model(images).sum(0)
    rows = [torch.autograd.grad(logit, images, retain_graph=True)[0].flatten(1) for logit in logits]
    return torch.stack(rows, 1)
