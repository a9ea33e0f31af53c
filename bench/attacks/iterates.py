"""Watches a model while it is attacked, and keeps the first iterate that breaks each image."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from bench.engine.balls import distance


class Watch:
    """Counts gradient evaluations, and keeps for each image the first iterate that was misclassified.

    An iterate is a batch of the attacked batch's own shape; only points inside ball and box count. The kept iterates
    are candidates: the judge checks them again. The model is not changed. Everything stays on the images' device and is
    read only after the attack.

    Args:
        model: the attacked model, which the attack calls.
        x: images (n, c, h, w) under attack.
        y: their labels (n,), int64.
        norm, eps: the ball; ``eps`` ``None`` keeps no iterates.
        accepted: deviation from ball and box that counts as rounding, in pixel units.
        goal: (n,) int64, target class of each image; ``None`` if any wrong one counts.
    """

    def __init__(
        self,
        model: nn.Module,
        x: Float[Tensor, "n c h w"],
        y: Int64[Tensor, " n"],
        *,
        norm: str,
        eps: float | None,
        accepted: float,
        goal: Int64[Tensor, " n"] | None = None,
    ) -> None:
        self.gradients = 0
        self.images: Float[Tensor, "n c h w"] = x.clone()
        self._model, self._x, self._y = model, x, y
        self._norm, self._eps, self._accepted, self._goal = norm, eps, accepted, goal
        self._open = torch.ones(len(x), dtype=torch.bool, device=x.device)
        if norm == "linf" and eps is not None:  # ball and box in one, which is quicker to look at
            far = eps + accepted
            self._bounds = (x - far).clamp_min(-accepted), (x + far).clamp_max(1 + accepted)

    @property
    def found(self) -> Bool[Tensor, " n"]:
        """Of which images an iterate was kept."""
        return ~self._open

    def __enter__(self) -> Watch:
        self._hook = self._model.register_forward_hook(self._saw)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hook.remove()

    def _saw(self, _: nn.Module, inputs: tuple[Any, ...], logits: Any) -> None:
        if not inputs or not isinstance(inputs[0], Tensor) or not isinstance(logits, Tensor):
            return
        at = inputs[0]
        if torch.is_grad_enabled() and at.requires_grad:
            self.gradients += len(at)
        if self._eps is None or at.shape != self._x.shape or logits.ndim != 2:
            return
        with torch.no_grad():
            taken = logits.argmax(dim=1)
            reached = taken != self._y if self._goal is None else taken == self._goal
            fresh = reached & self._inside(at) & self._open
            self.images = torch.where(fresh.view(-1, 1, 1, 1), at, self.images)
            self._open = self._open > fresh

    def _inside(self, at: Float[Tensor, "n c h w"]) -> Bool[Tensor, " n"]:
        if self._norm == "linf":
            return (at.clamp(*self._bounds) == at).all(dim=(1, 2, 3))  # NaN is not inside
        in_box = (at.clamp(-self._accepted, 1 + self._accepted) == at).all(dim=(1, 2, 3))
        return in_box & (distance(self._x, at, self._norm) <= float(self._eps or 0) + self._accepted)
