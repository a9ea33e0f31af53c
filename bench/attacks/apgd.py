"""Auto-PGD in L1 (Croce & Hein, "Mind the box", 2021), which none of the installed libraries has.

The steepest step in L1 would change one pixel, and most steps would end at the box. So every step follows the sign of
the largest entries of the gradient, as many as two thirds of the pixels that the best image so far has changed, and
ends at the nearest image of ball and box.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from bench.attacks import losses
from bench.engine.balls import project
from bench.errors import CellError

Loss = Callable[[Float[Tensor, "n classes"]], Float[Tensor, " n"]]
Found = Callable[[Float[Tensor, "n classes"]], Bool[Tensor, " n"]]
RADII = (
    (3, 0.3),
    (2, 0.3),
    (1, 0.4),
)  # multiples of ε that are searched one after another, with shares of the steps
CHECKS = 0.04  # share of the steps after which sparsity and step sizes are adapted
FIRST = 0.2  # share of the entries that the first steps change
SPARSER = 1.5  # number of changed pixels for each one that a step changes
SHRINK, SMALLEST = 1.5, 0.1  # of step sizes: divisor, and share of ε they end at
KEPT = 0.95  # share of the changed pixels that must be kept for a search to count as settled


@dataclass(slots=True, eq=False)
class _Search:
    """The state of the search for n images.

    Attributes:
        at, gradient: the points and the gradients there.
        best, best_gradient, highest: the same where the loss was highest so far, and that loss.
        broken: points that reach the goal; the image itself where there is none yet.
        found: whether an image has such a point.
        size: step sizes.
        share: share of the entries that a step changes.
        changed: entries that the best points had changed at the last adaptation.
    """

    at: Float[Tensor, "n c h w"]
    gradient: Float[Tensor, "n c h w"]
    best: Float[Tensor, "n c h w"]
    best_gradient: Float[Tensor, "n c h w"]
    highest: Float[Tensor, " n"]
    broken: Float[Tensor, "n c h w"]
    found: Bool[Tensor, " n"]
    size: Float[Tensor, " n"]
    share: Float[Tensor, " n"]
    changed: Float[Tensor, " n"]


def apgd_ce(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    norm: str,
    eps: float,
    steps: int,
    target: Int64[Tensor, " n"] | None = None,
    sparse: bool = False,
) -> Float[Tensor, "n c h w"]:
    """Auto-PGD in L1 on the cross-entropy; as ``apgd_l1``, with the norm ``l1``.

    Raises:
        CellError: another norm.
    """
    _check_norm("apgd_ce", norm)

    def loss(logits: Tensor) -> Tensor:
        if target is None:
            return cross_entropy(logits, y, reduction="none")
        return -cross_entropy(logits, target, reduction="none")

    return apgd_l1(model, x, y, loss, eps, steps, target, sparse=sparse)


def apgd_dlr(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    norm: str,
    eps: float,
    steps: int,
) -> Float[Tensor, "n c h w"]:
    """Auto-PGD in L1 on the difference of logits ratio; as ``apgd_l1``, with the norm ``l1``.

    Raises:
        CellError: another norm, or a model of fewer than three classes.
    """
    _check_norm("apgd_dlr", norm)
    return apgd_l1(model, x, y, lambda logits: losses.dlr(logits, y), eps, steps)


def apgd_t(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    norm: str,
    eps: float,
    steps: int,
    target: Int64[Tensor, " n"],
    sparse: bool = False,
) -> Float[Tensor, "n c h w"]:
    """Auto-PGD in L1 on the targeted difference of logits ratio; any wrong class will do.

    Args:
        model, x, y, eps, steps, sparse: as for ``apgd_l1``, with the norm ``l1``.
        target: (n,) int64, the wanted class of each image.

    Raises:
        CellError: another norm, or a model of fewer than four classes.
    """
    _check_norm("apgd_t", norm)
    return apgd_l1(
        model, x, y, lambda logits: losses.targeted_dlr(logits, y, target), eps, steps, sparse=sparse
    )


def _check_norm(attack: str, norm: str) -> None:
    if norm != "l1":
        raise CellError(f"symbench has {attack} in norm l1 only; use torchattacks:{attack} in norm {norm}")


def apgd_l1(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    loss: Loss,
    eps: float,
    steps: int,
    target: Int64[Tensor, " n"] | None = None,
    *,
    sparse: bool = False,
) -> Float[Tensor, "n c h w"]:
    """Increases a loss inside the L1 ball: from a random point, first in balls of 3ε and 2ε, then in that of ε.

    Args:
        model: classifier of images in [0, 1], in eval mode with frozen parameters.
        x: images (n, c, h, w), float32 in [0, 1].
        y: labels (n,), int64.
        loss: of the logits of these n images.
        eps: radius, above 0.
        steps: gradient steps in all.
        target: (n,) int64, the class each image is to be taken for; ``None`` for any wrong one.
        sparse: whether the first steps are as sparse as the random point is, as in the authors' AutoAttack, instead of
            changing a fifth of the entries. On digits more images break, on linear models fewer.

    Returns:
        Images of the shape of ``x``: of those inside the ball the first that was found, else that of the
        highest loss.
    """

    def found(logits: Tensor) -> Tensor:
        return losses.reached(logits, y, target)

    start = x + torch.randn_like(x)
    for (multiple, _), count in zip(RADII, _parts(steps), strict=True):
        radius = multiple * eps
        start = project(x, start, "l1", radius)
        fixed = multiple == RADII[0][0] and not sparse
        search = _begin(model, x, loss, found, start, radius, fixed=fixed)
        for check in _checks(count):
            _step(search, x, radius)
            _look(search, model, loss, found)
            if check and multiple == 1 and bool(search.found.all()):
                break
            if check:
                _adapt(search, x, radius)
        start = search.best
    return torch.where(search.found[:, None, None, None], search.broken, search.best)


def _parts(steps: int) -> list[int]:
    """The number of steps of each radius; the last radius, which counts, gets all remaining steps."""
    before = [int(share * steps) for _, share in RADII[:-1]]
    return [*before, steps - sum(before)]


def _checks(steps: int) -> Iterator[bool]:
    """The steps after which the search is adapted."""
    every = max(1, int(CHECKS * steps))
    yield from ((i + 1) % every == 0 for i in range(steps))


def _begin(
    model: nn.Module, x: Tensor, loss: Loss, found: Found, start: Tensor, radius: float, *, fixed: bool
) -> _Search:
    everything = x[0].numel()
    changed = torch.full((len(x),), float(everything), device=x.device) if fixed else _changed(start, x)
    share = torch.full_like(changed, FIRST) if fixed else changed / everything / SPARSER
    search = _Search(
        at=start,
        gradient=torch.zeros_like(x),
        best=start,
        best_gradient=torch.zeros_like(x),
        highest=torch.full_like(changed, -torch.inf),
        broken=x.clone(),
        found=torch.zeros(len(x), dtype=torch.bool, device=x.device),
        size=torch.full_like(changed, radius),
        share=share,
        changed=changed,
    )
    _look(search, model, loss, found)
    return search


def _changed(at: Tensor, x: Tensor) -> Float[Tensor, " n"]:
    return (at != x).flatten(1).sum(dim=1).to(x.dtype)


def _step(search: _Search, x: Tensor, radius: float) -> None:
    """A step of the search's size in L1, shared among the largest entries of the gradient."""
    size = search.gradient.abs().flatten(1)
    last = (search.share * size.shape[1]).long().clamp(1, size.shape[1]) - 1
    least = size.sort(dim=1, descending=True).values.gather(1, last[:, None])
    signs = search.gradient.flatten(1).sign() * (size >= least)
    each = search.size / signs.abs().sum(dim=1).clamp_min(1)
    search.at = project(x, search.at + (each[:, None] * signs).view_as(x), "l1", radius)


def _look(search: _Search, model: nn.Module, loss: Loss, found: Found) -> None:
    """Evaluates the model at the points, and keeps the best points and those that reach the goal."""
    points = search.at.detach().requires_grad_()
    with torch.enable_grad():
        logits = model(points)
        values = loss(logits)
        (search.gradient,) = torch.autograd.grad(values.sum(), points)
    higher = values.detach() > search.highest
    fresh = found(logits.detach()) & ~search.found
    spread = (slice(None), None, None, None)
    search.best = torch.where(higher[spread], search.at, search.best)
    search.best_gradient = torch.where(higher[spread], search.gradient, search.best_gradient)
    search.highest = torch.where(higher, values.detach(), search.highest)
    search.broken = torch.where(fresh[spread], search.at, search.broken)
    search.found |= fresh


def _adapt(search: _Search, x: Tensor, radius: float) -> None:
    """Continues from the best point, with large steps if it changes fewer pixels than before, else with small ones."""
    changed = _changed(search.best, x)
    sparser = changed / search.changed.clamp_min(1) < KEPT
    search.share = changed / x[0].numel() / SPARSER
    smaller = (search.size / SHRINK).clamp_min(SMALLEST * radius)
    search.size = torch.where(sparser, torch.full_like(smaller, radius), smaller)
    again = sparser[:, None, None, None]
    search.at = torch.where(again, search.best, search.at)
    search.gradient = torch.where(again, search.best_gradient, search.gradient)
    search.changed = changed
