"""Foolbox's minimum-norm attacks: the nearest broken version of every image.

What this file works around, all in foolbox 3.3.4: ``L2FMNAttack.project`` multiplies by one instead of projecting, so
its steps never come back towards the image, and ``L0FMNAttack.project`` keeps too many values; FMN approaches a flat
boundary slowly and may end just before it, and refuses a batch in which one starting point is not adversarial; DeepFool
returns its last iterate even where that is not adversarial.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import eagerpy as ep
import foolbox
import torch
from foolbox.devutils import atleast_kd, flatten
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from bench.attacks.foolbox_model import Broken, Found, goal_of, wrapped
from bench.attacks.losses import keep_reached
from bench.errors import CellError

CONSTANTS = 9  # that Carlini & Wagner try


def ddn(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    norm: str,
    steps: int,
    target: Int64[Tensor, " n"] | None = None,
    criterion: Found = Broken,
) -> Float[Tensor, "n c h w"]:
    """Decoupled direction and norm (Rony et al. 2019): the smallest broken step found on the way.

    It is random only where a gradient is zero: there the direction comes from torch's global random state.

    Args:
        model: classifier of images in [0, 1], in eval mode with frozen parameters.
        x: images (n, c, h, w), float32 in [0, 1].
        y: labels (n,), int64.
        norm: ``l2``.
        steps: gradient steps. The radius starts at 1 and changes by 5 % in each, so boundaries nearer than
            0.95^steps are overshot: 0.006 for 100 steps.
        target: (n,) int64, the class each image is to be taken for; ``None`` for any wrong one.
        criterion: when an image counts as found, without a target; default: when the judge counts it as broken.

    Returns:
        Images of the shape of ``x`` in [0, 1]: broken ones, near ``x``; the clean image where none was found.

    Raises:
        CellError: another norm.
    """
    if norm != "l2":
        raise CellError(f"foolbox has no DDN in norm {norm}")
    attack, found = foolbox.attacks.DDNAttack(steps=steps), goal_of(y, target, criterion)
    return kept(model, search(attack, model, x, found), found, x)


def fmn(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    norm: str,
    steps: int,
    target: Int64[Tensor, " n"] | None = None,
    criterion: Found = Broken,
) -> Float[Tensor, "n c h w"]:
    """Fast minimum norm (Pintor et al. 2021), from where DDN succeeded; from the image where it did not.

    Args:
        model, x, y, target, criterion: as for ``ddn``.
        norm: ``linf``, ``l2``, ``l1`` or ``l0``, which counts pixels.
        steps: gradient steps of DDN, and again of FMN.

    Returns:
        As ``ddn``; never farther than DDN's image.

    Raises:
        CellError: another norm.
    """
    l1 = foolbox.attacks.L1FMNAttack
    attacks = {"linf": foolbox.attacks.LInfFMNAttack, "l2": _L2FMN, "l1": l1, "l0": _L0FMN}
    if norm not in attacks:
        raise CellError(f"foolbox has no FMN in norm {norm}")
    starts = ddn(model, x, y, norm="l2", steps=steps, target=target, criterion=criterion)

    def goal(at: Tensor) -> Any:
        return goal_of(y[at], None if target is None else target[at], criterion)

    found = found_together(model, starts, goal)
    images = starts.clone()
    for part, options in ((found, {"starting_points": ep.astensor(starts[found])}), (~found, {})):
        if part.any():
            images[part] = search(attacks[norm](steps=steps), model, x[part], goal(part), **options)
    return kept(model, images, goal_of(y, target, criterion), starts)


def deepfool(
    model: nn.Module, x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"], *, norm: str, steps: int
) -> Float[Tensor, "n c h w"]:
    """DeepFool (Moosavi-Dezfooli et al. 2016): steps to the nearest boundary of the linearised model.

    Only the ten likeliest classes are candidates. Each step goes 1e-4 beyond the boundary, and the sum of
    the steps is stretched by 2 %: for a linear model the distance is 1.02 · (the smallest one + 1e-4).

    Args:
        model, x, y: as for ``ddn``.
        norm: ``linf`` or ``l2``.
        steps: linearisations at most; each costs a gradient for every candidate but the likeliest.

    Returns:
        As ``ddn``.

    Raises:
        CellError: another norm.
    """
    attacks = {"linf": foolbox.attacks.LinfDeepFoolAttack, "l2": foolbox.attacks.L2DeepFoolAttack}
    if norm not in attacks:
        raise CellError(f"foolbox has no DeepFool in norm {norm}")
    attack = attacks[norm](steps=steps, candidates=10, overshoot=0.02)
    return kept(model, search(attack, model, x, Broken(y)), Broken(y), x)


def cw(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    norm: str,
    steps: int,
    target: Int64[Tensor, " n"] | None = None,
) -> Float[Tensor, "n c h w"]:
    """Carlini & Wagner (2017): Adam on the squared distance plus a constant times the margin.

    Nine constants are tried, from 0.001 on: ten times larger until one is enough, then halfway between. Steps
    of Adam move a pixel by up to 0.005, so few of them do not reach far boundaries, and boundaries may be
    overshot by one of them, 0.005·√(pixels).

    Args:
        model, x, y, target: as for ``ddn``.
        norm: ``l2``.
        steps: gradient steps at most for each constant; fewer where a tenth of them brings nothing.

    Returns:
        As ``ddn``, but for the black image where none was found and that one is broken.

    Raises:
        CellError: another norm.
    """
    if norm != "l2":
        raise CellError(f"foolbox has no Carlini & Wagner attack in norm {norm}")
    attack = foolbox.attacks.L2CarliniWagnerAttack(binary_search_steps=CONSTANTS, steps=steps)
    found = goal_of(y, target)
    return kept(model, search(attack, model, x, found), found, x)


def ead(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    norm: str,
    steps: int,
    target: Int64[Tensor, " n"] | None = None,
) -> Float[Tensor, "n c h w"]:
    """Elastic-net attack (Chen et al. 2018): as ``cw``, plus a hundredth of the L1 norm; the smallest L1 counts.

    Args:
        model, x, y, target: as for ``ddn``.
        norm: ``l1``.
        steps: gradient steps at most for each of the nine constants; fewer where a tenth of them brings nothing.

    Returns:
        As ``ddn``.

    Raises:
        CellError: another norm.
    """
    if norm != "l1":
        raise CellError(f"foolbox has no EAD in norm {norm}")
    attack = foolbox.attacks.EADAttack(binary_search_steps=CONSTANTS, steps=steps, decision_rule="L1")
    found = goal_of(y, target)
    return kept(model, search(attack, model, x, found), found, x)


class _L0FMN(foolbox.attacks.L0FMNAttack):
    """Keeps whole pixels: foolbox keeps one channel value too many, and all where sizes tie."""

    def project(self, x: ep.Tensor, x0: ep.Tensor, epsilon: ep.Tensor) -> ep.Tensor:
        change = (x - x0).raw.square().sum(dim=1).flatten(1)
        rank = change.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
        kept = rank < torch.ceil(epsilon.raw / x.shape[1])[:, None]
        return ep.astensor(torch.where(kept.view(len(x), 1, *x.shape[2:]), x.raw, x0.raw))


class _L2FMN(foolbox.attacks.L2FMNAttack):
    def project(self, x: ep.Tensor, x0: ep.Tensor, epsilon: ep.Tensor) -> ep.Tensor:
        delta = x - x0
        length = ep.maximum(flatten(delta).norms.l2(axis=-1), 1e-12)
        return x0 + delta * atleast_kd(ep.minimum(1, epsilon / length), x.ndim)


def search(
    attack: Any,
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    criterion: Any,
    **options: Any,
) -> Float[Tensor, "n c h w"]:
    images, _, _ = attack(wrapped(model, x.device), x.contiguous(), criterion, epsilons=None, **options)
    return images.clamp(0, 1)  # foolbox's own clipping leaves the box by a rounding


@torch.no_grad()
def kept(
    model: nn.Module,
    images: Float[Tensor, "n c h w"],
    criterion: Any,
    otherwise: Float[Tensor, "n c h w"],
) -> Float[Tensor, "n c h w"]:
    """The images that meet the criterion and are finite, asked in one batch as the judge asks them."""
    return keep_reached(images, criterion(images, model(images)), otherwise)


@torch.no_grad()
def found_together(
    model: nn.Module, images: Float[Tensor, "n c h w"], goal: Callable[[Int64[Tensor, " m"]], Any]
) -> Bool[Tensor, " n"]:
    """Those images that meet the criterion as a batch of their own: last bits depend on the batch."""
    at = torch.arange(len(images), device=images.device)
    while len(at):
        meets = goal(at)(images[at], model(images[at]))
        if meets.all():
            break
        at = at[meets]
    found = torch.zeros(len(images), dtype=torch.bool, device=images.device)
    return found.index_fill(0, at, True)
