"""AutoAttack in L1; its parts run and are verified one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from bench.attacks.apgd import apgd_ce, apgd_t
from bench.attacks.losses import broken
from bench.attacks.square_l1 import square
from bench.attacks.torchattacks_auto import fab_t
from bench.attacks.torchattacks_model import check_classes, class_count
from bench.errors import CellError

STARTS, TARGETS = 5, 5  # of APGD-CE and of APGD-T, as the authors' version has them in L1
QUERIES = 5000
Part = Callable[[Tensor, Tensor], Tensor]


def autoattack(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    norm: str,
    eps: float,
    steps: int,
) -> Float[Tensor, "n c h w"]:
    """Standard AutoAttack in L1 (Croce & Hein 2021), each part on the images that are still right.

    APGD-CE from five starts, APGD-T at the five likeliest wrong classes, FAB-T of torchattacks at up to nine, and
    Square with 5,000 queries.

    Args:
        model: classifier of images in [0, 1], in eval mode with frozen parameters.
        x: images (n, c, h, w), float32 in [0, 1].
        y: labels (n,), int64.
        norm: ``l1``.
        eps: radius, above 0.
        steps: of the first three parts. The published attack takes 100.

    Returns:
        Images of the shape of ``x``; the clean image where every part failed.

    Raises:
        CellError: another norm, or fewer than 4 classes, for which APGD-T is not defined.
    """
    if norm != "l1":
        raise CellError(
            f"symbench has AutoAttack in norm l1 only; use torchattacks:autoattack in norm {norm}"
        )
    check_classes("autoattack", class_count(model, x), 4, "apgd_ce, fab_t and square")
    images, left = x.clone(), torch.arange(len(x), device=x.device)
    for part in _parts(model, eps, steps):
        found = part(x[left], y[left])
        with torch.no_grad():
            wrong = broken(model(found), y[left])
        images[left[wrong]] = found[wrong]
        left = left[~wrong]
        if not len(left):
            break
    return images


def _parts(model: nn.Module, eps: float, steps: int) -> Iterator[Part]:
    for _ in range(STARTS):
        yield lambda x, y: apgd_ce(model, x, y, norm="l1", eps=eps, steps=steps, sparse=True)
    for rank in range(TARGETS):
        yield lambda x, y, rank=rank: _aimed(model, x, y, eps, steps, rank)
    yield lambda x, y: fab_t(model, x, y, norm="l1", eps=eps, steps=steps)
    yield lambda x, y: square(model, x, y, norm="l1", eps=eps, queries=QUERIES)


def _aimed(model: nn.Module, x: Tensor, y: Tensor, eps: float, steps: int, rank: int) -> Tensor:
    """APGD-T at the wrong class of this rank; the image itself if the model has fewer classes."""
    with torch.no_grad():
        likeliest = model(x).scatter(1, y[:, None], -torch.inf).argsort(dim=1, descending=True, stable=True)
    if rank >= likeliest.shape[1] - 1:
        return x
    return apgd_t(model, x, y, norm="l1", eps=eps, steps=steps, target=likeliest[:, rank], sparse=True)
