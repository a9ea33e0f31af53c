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
        self.found: Bool[Tensor, " n"] = torch.zeros(len(x), dtype=torch.bool, device=x.device)
        self.images: Float[Tensor, "n c h w"] = x.clone()
        self._model, self._x, self._y = model, x, y
        self._norm, self._eps, self._accepted, self._goal = norm, eps, accepted, goal

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
        at, logits = at.detach(), logits.detach()
        taken = logits.argmax(dim=1)
        reached = taken != self._y if self._goal is None else taken == self._goal
        fresh = reached & ~self.found & self._inside(at)
        self.images = torch.where(fresh[:, None, None, None], at, self.images)
        self.found |= fresh

    def _inside(self, at: Float[Tensor, "n c h w"]) -> Bool[Tensor, " n"]:
        low, high = -self._accepted, 1 + self._accepted
        in_box = ((at >= low) & (at <= high)).flatten(1).all(dim=1)  # NaN is not inside
        return in_box & (distance(self._x, at, self._norm) <= float(self._eps or 0) + self._accepted)
