"""The parts of AutoAttack, and all of it, run by torchattacks."""

from __future__ import annotations

from typing import Any

import torchattacks
from jaxtyping import Float, Int64
from torch import Tensor, nn

from bench.attacks.torchattacks_model import check_classes, check_squares, class_count, run, run_aimed

_NORMS = {"linf": "Linf", "l2": "L2"}
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
    """Targeted fast adaptive boundary attack (Croce & Hein 2020): the nearest misclassified image.

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
    return run(torchattacks.FAB, model, x, y, multi_targeted=True, n_classes=classes, **params)


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
    """Standard AutoAttack (Croce & Hein 2020): APGD-CE, APGD-T, FAB-T, Square, each on what still stands.

    Args:
        model, x, y, norm, eps: as for ``with_torchattacks.pgd``.
        steps: of the first three parts. The published attack takes 100. 10 is the library's own choice, and
            then this is its ``AutoAttack`` as it stands, but PGD of 20 steps may break what 10 leave
            standing. The targets are those of ``apgd_t``. ``Square`` has 5,000 queries.
        seed: of every part; torch's global random state is set to it.

    Returns:
        Attacked images of the shape of ``x``; the clean image where every part failed.

    Raises:
        CellError: fewer than 4 classes, for which APGD-T is not defined, or a size ``square`` refuses.
    """
    check_squares(x, norm)
    classes = class_count(model, x)
    check_classes("autoattack", classes, 4, "apgd_ce, fab_t and square")

    def with_steps(attack: Any) -> None:
        for part in attack._autoattack.attacks[:3]:
            part.steps = steps

    params = {"norm": _NORMS[norm], "eps": eps, "seed": seed, "n_classes": min(classes, _TARGETS + 1)}
    return run(torchattacks.AutoAttack, model, x, y, with_steps, **params)
