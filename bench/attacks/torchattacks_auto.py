"""AutoAttack and its parts, run by torchattacks."""

from __future__ import annotations

from typing import Any

import torch
import torchattacks
from jaxtyping import Float, Int64
from torch import Tensor, nn

from bench.attacks.torchattacks_model import check_classes, check_squares, class_count, run, run_aimed
from bench.engine.balls import distance

_NORMS = {"linf": "Linf", "l2": "L2", "l1": "L1"}
_TARGETS = 9  # of Croce & Hein (2020), for any number of classes


def apgd_ce(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    norm: str,
    eps: float,
    steps: int,
    seed: int,
) -> Float[Tensor, "n c h w"]:
    """Auto-PGD (Croce & Hein 2020) on the cross-entropy, from one random start.

    Args:
        model, x, y, norm, eps: as for ``with_torchattacks.pgd``.
        steps: gradient steps; the step size adapts itself.
        seed: of the start; torch's global random state is set to it.

    Returns:
        Attacked images of the shape of ``x``; the clean image where none was misclassified on the way.
    """
    return run(torchattacks.APGD, model, x, y, norm=_NORMS[norm], eps=eps, steps=steps, seed=seed)


def apgd_dlr(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    norm: str,
    eps: float,
    steps: int,
    seed: int,
) -> Float[Tensor, "n c h w"]:
    """Auto-PGD (Croce & Hein 2020) on the difference of logits ratio; otherwise as ``apgd_ce``.

    Raises:
        CellError: fewer than 3 classes, for which the loss is not defined.
    """
    check_classes("apgd_dlr", class_count(model, x), 3, "apgd_ce")
    params = {"norm": _NORMS[norm], "eps": eps, "steps": steps, "seed": seed}
    return run(torchattacks.APGD, model, x, y, loss="dlr", **params)


def apgd_t(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    norm: str,
    eps: float,
    steps: int,
    seed: int,
) -> Float[Tensor, "n c h w"]:
    """Auto-PGD on the targeted difference of logits ratio (Croce & Hein 2020); otherwise as ``apgd_ce``.

    The targets are the 9 likeliest wrong classes, or all if there are fewer, one after another.

    Raises:
        CellError: fewer than 4 classes, for which the loss is not defined.
    """
    classes = class_count(model, x)
    check_classes("apgd_t", classes, 4, "apgd_ce, fab_t or square")
    params = {"norm": _NORMS[norm], "eps": eps, "steps": steps, "seed": seed}
    return run(torchattacks.APGDT, model, x, y, n_classes=min(classes, _TARGETS + 1), **params)


def fab_t(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    norm: str,
    eps: float,
    steps: int,
) -> Float[Tensor, "n c h w"]:
    """Targeted fast adaptive boundary attack (Croce & Hein 2020), in L1 too: the nearest misclassified image.

    The targets are those of ``apgd_t``. Nothing in it is random.

    Args:
        model, x, y, norm, eps: as for ``with_torchattacks.pgd``.
        steps: gradient steps for each target.

    Returns:
        Attacked images of the shape of ``x``; the clean image where none was found, or only one outside
        the ball.
    """
    params = {"norm": _NORMS[norm], "eps": eps, "steps": steps}
    classes = min(class_count(model, x), _TARGETS + 1)
    fab = _L1FAB if norm == "l1" else torchattacks.FAB
    return run(fab, model, x, y, multi_targeted=True, n_classes=classes, **params)


class _L1FAB(torchattacks.FAB):
    """FAB-T where torchattacks fails: its loop over targets measures distances in L∞ and L2 only."""

    @torch.no_grad()
    def perturb(self, x: Tensor, y: Tensor) -> Tensor:
        torch.manual_seed(self.seed)
        images, left = x.clone(), torch.arange(len(x), device=x.device)
        for rank in range(2, self.n_target_classes + 2):
            if not len(left):
                break
            self.target_class = rank
            found = self.attack_single_run_targeted(x[left], y[left])
            near = distance(x[left], found, "l1") <= self.eps
            meets = near & (self._get_predicted_label(found) != y[left])
            images[left[meets]] = found[meets]
            left = left[~meets]
        return images


def square(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    norm: str,
    eps: float,
    queries: int,
    seed: int,
    target: Int64[Tensor, " n"] | None = None,
) -> Float[Tensor, "n c h w"]:
    """Square attack (Andriushchenko et al. 2020): random search that asks for logits only.

    Args:
        model, x, y, norm, eps: as for ``with_torchattacks.pgd``.
        queries: squares tried on each image.
        seed: of the search; torch's global random state is set to it.
        target: (n,) int64, the class each image is to be taken for; ``None`` for any wrong one.

    Returns:
        Attacked images of the shape of ``x``; the clean image where none was found.

    Raises:
        CellError: in L2, images of a size the library's squares do not fit.
    """
    check_squares(x, norm)
    params = {"norm": _NORMS[norm], "eps": eps, "n_queries": queries, "seed": seed}
    return run_aimed(torchattacks.Square, model, x, y, target, **params)


def autoattack(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    norm: str,
    eps: float,
    steps: int,
    seed: int,
) -> Float[Tensor, "n c h w"]:
    """Standard AutoAttack (Croce & Hein 2020): APGD-CE, APGD-T, FAB-T, Square, each on the images that are still right.

    Args:
        model, x, y, norm, eps: as for ``with_torchattacks.pgd``.
        steps: of the first three parts. The published attack takes 100. 10 is the library's own choice; the attack is
            then exactly its ``AutoAttack``, but PGD of 20 steps may break images that 10 steps do not. The targets are
            those of ``apgd_t``. ``Square`` has 5,000 queries.
        seed: of every part; torch's global random state is set to it.

    Returns:
        Attacked images of the shape of ``x``; the clean image where every part failed.

    Raises:
        CellError: fewer than 4 classes, for which APGD-T is not defined, or a size ``square`` refuses.
    """
    return _versioned("standard", model, x, y, norm, eps, steps, seed)


def autoattack_plus(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    norm: str,
    eps: float,
    steps: int,
    seed: int,
) -> Float[Tensor, "n c h w"]:
    """AutoAttack's version ``plus``: APGD-CE, APGD-DLR and FAB with five starts each, Square, APGD-T and FAB-T.

    All else as for ``autoattack``.
    """
    return _versioned("plus", model, x, y, norm, eps, steps, seed)


def autoattack_rand(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    norm: str,
    eps: float,
    steps: int,
    seed: int,
) -> Float[Tensor, "n c h w"]:
    """AutoAttack's version ``rand`` for models with random outputs: APGD-CE and APGD-DLR on means of 20 gradients.

    Args:
        model, x, y, norm, eps, steps, seed: as for ``autoattack``.

    Returns:
        As ``autoattack``.

    Raises:
        CellError: fewer than 3 classes, for which APGD-DLR is not defined.
    """
    return _versioned("rand", model, x, y, norm, eps, steps, seed)


def _versioned(
    version: str, model: nn.Module, x: Tensor, y: Tensor, norm: str, eps: float, steps: int, seed: int
) -> Tensor:
    classes = class_count(model, x)
    if version == "rand":
        check_classes("autoattack_rand", classes, 3, "eot_pgd")
    else:
        check_squares(x, norm)
        check_classes("autoattack", classes, 4, "apgd_ce, fab_t and square")

    def with_steps(attack: Any) -> None:
        for part in attack._autoattack.attacks:
            if not isinstance(part, torchattacks.Square):
                part.steps = steps

    params = {"norm": _NORMS[norm], "eps": eps, "seed": seed, "n_classes": min(classes, _TARGETS + 1)}
    return run(torchattacks.AutoAttack, model, x, y, with_steps, version=version, **params)
