"""Attacks run by torchattacks.

What this file works around, all in torchattacks 3.5.1: attacks take the device of the model's first
parameter and print when there is none, so the images' device is set; ``Square`` writes into the logits it
is given, a class called ``RobModel`` makes every attack undo a normalisation, and ``PGDL2`` cannot read
gradients or images that are not plainly contiguous, so attacks see the model through ``Guarded``;
``Square`` in L2 breaks down at some image sizes and the DLR losses at few classes, which is said in a sentence;
``PGDL2`` gives NaN at ε = 0 (the harness never calls an attack there).

What it leaves as it is, since results are the library's own, bit for bit:

- ``APGD``, ``APGDT``, ``FAB``, ``Square`` and ``AutoAttack`` give the clean image back where they failed.
- ``APGDT`` in L2 takes the first image's step size for the whole batch: its results depend on the batch.
- ``FAB`` aimed at classes starts at the image itself: it has nothing random, and no second start.
- ``Square`` stops at logits that tie, and then gives the clean image back if the label comes first.
- A NaN counts as the largest logit: where the label comes first, the image counts as rightly classified.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any

import torchattacks
from jaxtyping import Float, Int64
from torch import Tensor, nn

from bench.attacks.torchattacks_model import Guarded, check_classes, check_squares, class_count
from bench.errors import CellError

_NORMS = {"linf": "Linf", "l2": "L2"}
_TARGETS = 9  # of Croce & Hein (2020), for any number of classes


def fgsm(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    norm: str,
    eps: float,
    target: Int64[Tensor, " n"] | None = None,
) -> Float[Tensor, "n c h w"]:
    """Fast gradient sign method (Goodfellow et al. 2015): one step of ε along the gradient's sign.

    Args:
        model: classifier of images in [0, 1], in eval mode with frozen parameters.
        x: images (n, c, h, w), float32 in [0, 1].
        y: labels (n,), int64.
        norm: ``linf``.
        eps: radius in pixel units, above 0.
        target: (n,) int64, the class each image is to be taken for; ``None`` for any wrong one.

    Returns:
        Attacked images of the shape of ``x``.
    """
    if norm != "linf":
        raise CellError(f"torchattacks has no FGSM in norm {norm}")
    return _aimed(torchattacks.FGSM, model, x, y, target, eps=eps)


def pgd(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    norm: str,
    eps: float,
    alpha: float,
    steps: int,
    random_start: bool,
    target: Int64[Tensor, " n"] | None = None,
) -> Float[Tensor, "n c h w"]:
    """Projected gradient descent (Madry et al. 2018) on the cross-entropy; returns the last iterate.

    With a target it lowers the cross-entropy of that class, and labels play no part.

    Args:
        model, x, y, eps, target: as for ``fgsm``.
        norm: ``linf`` or ``l2``.
        alpha: absolute step size in pixel units.
        steps: gradient steps.
        random_start: start from one random point of the ball, drawn from torch's global random state.

    Returns:
        Attacked images of the shape of ``x``.
    """
    attack = torchattacks.PGD if norm == "linf" else torchattacks.PGDL2
    params = {"eps": eps, "alpha": alpha, "steps": steps, "random_start": random_start}
    return _aimed(attack, model, x, y, target, **params)


pgd_t = pgd  # the judge always says a target


def eot_pgd(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    norm: str,
    eps: float,
    alpha: float,
    steps: int,
    random_start: bool,
    eot: int,
) -> Float[Tensor, "n c h w"]:
    """PGD on the expectation over transformation (Athalye et al. 2018); returns the last iterate.

    Args:
        model, x, y, eps, alpha, steps, random_start: as for ``pgd``.
        norm: ``linf``.
        eot: passes through the model whose gradients are summed for one step.

    Returns:
        Attacked images of the shape of ``x``.
    """
    if norm != "linf":
        raise CellError(f"torchattacks has no EOTPGD in norm {norm}")
    params = {"eps": eps, "alpha": alpha, "steps": steps, "random_start": random_start}
    return _run(torchattacks.EOTPGD, model, x, y, eot_iter=eot, **params)


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
        model, x, y, norm, eps: as for ``pgd``.
        steps: gradient steps; the step size adapts itself.
        seed: of the start; torch's global random state is set to it.

    Returns:
        Attacked images of the shape of ``x``; the clean image where none was misclassified on the way.
    """
    return _run(torchattacks.APGD, model, x, y, norm=_NORMS[norm], eps=eps, steps=steps, seed=seed)


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
    return _run(torchattacks.APGD, model, x, y, loss="dlr", **params)


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
    return _run(torchattacks.APGDT, model, x, y, n_classes=min(classes, _TARGETS + 1), **params)


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
        model, x, y, norm, eps: as for ``pgd``.
        steps: gradient steps for each target.

    Returns:
        Attacked images of the shape of ``x``; the clean image where none was found, or only one outside
        the ball.
    """
    params = {"norm": _NORMS[norm], "eps": eps, "steps": steps}
    classes = min(class_count(model, x), _TARGETS + 1)
    return _run(torchattacks.FAB, model, x, y, multi_targeted=True, n_classes=classes, **params)


def square(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    norm: str,
    eps: float,
    queries: int,
    seed: int,
) -> Float[Tensor, "n c h w"]:
    """Square attack (Andriushchenko et al. 2020): random search that asks for logits only.

    Args:
        model, x, y, norm, eps: as for ``pgd``.
        queries: squares tried on each image.
        seed: of the search; torch's global random state is set to it.

    Returns:
        Attacked images of the shape of ``x``; the clean image where none was misclassified.

    Raises:
        CellError: in L2, images of a size the library's squares do not fit.
    """
    check_squares(x, norm)
    return _run(torchattacks.Square, model, x, y, norm=_NORMS[norm], eps=eps, n_queries=queries, seed=seed)


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
        model, x, y, norm, eps: as for ``pgd``.
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
    return _run(torchattacks.AutoAttack, model, x, y, with_steps, **params)


def _aimed(
    attack: Any, model: nn.Module, x: Tensor, y: Tensor, target: Tensor | None, **params: Any
) -> Tensor:
    if target is None:
        return _run(attack, model, x, y, **params)
    return _run(
        attack, model, x, target, lambda ready: ready.set_mode_targeted_by_label(quiet=True), **params
    )


def _run(
    attack: Any,
    model: nn.Module,
    x: Tensor,
    labels: Tensor,
    prepare: Callable[[Any], None] = lambda _: None,
    **params: Any,
) -> Tensor:
    with contextlib.redirect_stdout(sys.stderr):
        ready = attack(Guarded(model), **params)
        ready.set_device(x.device)
        prepare(ready)
        return ready(x.contiguous(), labels).detach()
