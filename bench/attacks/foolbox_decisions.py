"""Foolbox's decision-based attacks: they use only the predicted class, and move along the boundary towards the image.

What this file works around, all in foolbox 3.3.4: attacks count steps and not queries, and fail for the whole batch
where one image has no start; ``HopSkipJumpAttack`` draws all noise of a step at once, hundreds of copies of the batch.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import eagerpy as ep
import foolbox
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from bench.attacks.foolbox_model import goal_of, wrapped
from bench.attacks.losses import reached
from bench.engine.balls import distance
from bench.errors import CellError

STARTS = 50  # random images that are tried as starts before those of the batch
ESTIMATE = 100  # queries of the first estimate of a gradient; the k-th takes √k times as many
AT_ONCE = 2**24  # values of noise that are drawn at once, about
NO_END = 10**6  # steps; the queries end before


def boundary(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    norm: str,
    queries: int,
    target: Int64[Tensor, " n"] | None = None,
) -> Float[Tensor, "n c h w"]:
    """Boundary attack (Brendel et al. 2018): random steps along the boundary and towards the image.

    Args:
        model: classifier of images in [0, 1], in eval mode.
        x: images (n, c, h, w), float32 in [0, 1].
        y: labels (n,), int64.
        norm: ``l2``.
        queries: passes of the model for each image, the search for a start included. A start is a random image, a
            white, a black or another one of the batch.
        target: (n,) int64, the class each image is to be taken for; ``None`` for any wrong one.

    Returns:
        Images of the shape of ``x`` in [0, 1]: of all points asked the nearest broken one; the clean image where
        none was.

    Raises:
        CellError: another norm.
    """
    if norm != "l2":
        raise CellError(f"foolbox has no boundary attack in norm {norm}")
    return _searched(foolbox.attacks.BoundaryAttack(steps=NO_END), model, x, y, norm, queries, target)


def hopskipjump(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    norm: str,
    queries: int,
    target: Int64[Tensor, " n"] | None = None,
) -> Float[Tensor, "n c h w"]:
    """HopSkipJump (Chen et al. 2020): steps along gradients that are estimated from the classes of points around.

    Args:
        model, x, y, queries, target: as for ``boundary``.
        norm: ``linf`` or ``l2``.

    Returns:
        As ``boundary``.

    Raises:
        CellError: another norm.
    """
    if norm not in ("linf", "l2"):
        raise CellError(f"foolbox has no HopSkipJump in norm {norm}")
    attack = foolbox.attacks.HopSkipJumpAttack(
        steps=NO_END, initial_gradient_eval_steps=ESTIMATE, constraint=norm
    )
    return _searched(attack, model, x, y, norm, queries, target)


class _Spent(Exception):
    """All queries are spent."""


class _Metered(nn.Module):
    """The model for all images at once; counts queries and keeps the nearest broken point of each image."""

    def __init__(
        self, model: nn.Module, x: Tensor, y: Tensor, target: Tensor | None, norm: str, queries: int
    ) -> None:
        super().__init__()
        self._model, self._x, self._y, self._target, self._norm = model, x, y, target, norm
        self.training = model.training
        self.left = queries
        self.nearest = x.clone()
        self.far = torch.full((len(x),), torch.inf, dtype=torch.float64, device=x.device)

    @property
    def found(self) -> Bool[Tensor, " n"]:
        return torch.isfinite(self.far)

    def part(self, at: Int64[Tensor, " m"]) -> _Metered:
        """The same for some of the images."""
        target = None if self._target is None else self._target[at]
        part = _Metered(self._model, self._x[at], self._y[at], target, self._norm, self.left)
        part.nearest, part.far = self.nearest[at], self.far[at]
        return part

    @torch.no_grad()
    def forward(self, points: Float[Tensor, "n c h w"]) -> Tensor:
        if self.left < 1:
            raise _Spent
        self.left -= 1
        logits = self._model(points)
        far = distance(self._x, points, self._norm)
        nearer = reached(logits, self._y, self._target) & (far < self.far)
        self.nearest = torch.where(nearer[:, None, None, None], points, self.nearest)
        self.far = torch.where(nearer, far, self.far)
        return logits

    def search(self, attack: Any) -> None:
        """Runs an attack from the nearest points until it ends or the queries are spent."""
        starts = ep.astensor(self.nearest)
        model, goal = wrapped(self, self._x.device), goal_of(self._y, self._target)
        with contextlib.suppress(
            _Spent, AssertionError
        ):  # it asserts that its points stay broken, which rounding may undo
            attack(model, self._x.contiguous(), goal, epsilons=None, starting_points=starts)


def _searched(
    attack: Any, model: nn.Module, x: Tensor, y: Tensor, norm: str, queries: int, target: Tensor | None
) -> Tensor:
    whole = _Metered(model, x, y, target, norm, queries)
    for start in starts(x):
        if whole.left < 1 or bool(whole.found.all()):
            break
        whole(start)
    images = whole.nearest.clone()
    for at in whole.found.nonzero().squeeze(1).split(max(1, AT_ONCE // (ESTIMATE * x[0].numel()))):
        if not len(at):  # no image has a start
            break
        part = whole.part(at)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # means of success rates that are not known yet
            part.search(attack)
        images[at] = part.nearest
    return images.clamp(0, 1)


def starts(x: Float[Tensor, "n c h w"]) -> Iterator[Float[Tensor, "n c h w"]]:
    """Random images, in black and white every other time, then all white, all black and the others of the batch."""
    for i in range(STARTS):
        noise = torch.rand_like(x)
        yield noise.round() if i % 2 else noise
    yield from (torch.ones_like(x), torch.zeros_like(x))
    yield from (x.roll(shift, dims=0) for shift in range(1, len(x)))
