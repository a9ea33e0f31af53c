"""Records the progress of an attack by the number of passes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor, nn

from bench.attacks.losses import reached
from bench.engine.balls import distance

POINTS = 16  # of a curve


class Trace:
    """The smallest distance at which each image was broken by a sixteenth of the budget, two sixteenths, and so on.

    Only points in the ball and the box count. If an attack passes only some images of the batch, or several points of
    each, every point belongs to the image that is nearest to it.

    Args:
        x: all images (n, c, h, w) of the cell.
        y: their labels (n,), int64.
        norm, eps: of the ball; ``eps`` ``None`` for the box alone.
        accepted: deviation from ball and box that counts as rounding.
        budget: passes an image.
    """

    def __init__(
        self,
        x: Float[Tensor, "n c h w"],
        y: Int64[Tensor, " n"],
        *,
        norm: str,
        eps: float | None,
        accepted: float,
        budget: int,
    ) -> None:
        self._x, self._y, self._norm, self._accepted = x, y, norm, accepted
        self._eps = torch.inf if eps is None else eps + accepted
        self._budget, self._passes = budget, 0.0
        self._found = torch.full((len(x), POINTS), torch.inf, dtype=torch.float64, device=x.device)

    @contextlib.contextmanager
    def watching(
        self, model: nn.Module, left: Int64[Tensor, " m"], target: Int64[Tensor, " m"] | None
    ) -> Iterator[None]:
        """Watches a model during an attack on the images ``left``, with the classes ``target`` if any."""

        def saw(_: nn.Module, inputs: tuple[Any, ...], logits: Any) -> None:
            at = inputs[0] if inputs else None
            if isinstance(at, Tensor) and isinstance(logits, Tensor) and at.shape[1:] == self._x.shape[1:]:
                gradient = torch.is_grad_enabled() and at.requires_grad
                self._passes += (1 + gradient) * len(at) / len(left)
                self._note(at.detach(), logits.detach(), left, target)

        hook = model.register_forward_hook(saw)
        try:
            yield
        finally:
            hook.remove()

    def _note(self, at: Tensor, logits: Tensor, left: Tensor, target: Tensor | None) -> None:
        point = int(np.ceil(POINTS * self._passes / self._budget)) - 1
        if point >= POINTS or logits.ndim != 2:
            return
        owner = self._owners(at, left)
        places = left[owner]
        far = distance(self._x[places], at, self._norm)
        hit = reached(logits, self._y[places], None if target is None else target[owner])
        far = torch.where(hit & self._inside(at) & (far <= self._eps), far, torch.inf)
        least = torch.full((len(self._x),), torch.inf, dtype=torch.float64, device=at.device)
        least = least.scatter_reduce(0, places, far, "amin")
        self._found[:, point:] = torch.minimum(self._found[:, point:], least[:, None])

    def _owners(self, at: Float[Tensor, "q c h w"], left: Int64[Tensor, " m"]) -> Int64[Tensor, " q"]:
        """Which of the images left each point belongs to."""
        if len(at) == len(left):
            return torch.arange(len(left), device=at.device)
        return torch.cdist(at.flatten(1), self._x[left].flatten(1)).argmin(dim=1)

    def _inside(self, at: Float[Tensor, "q c h w"]) -> Bool[Tensor, " q"]:
        low, high = -self._accepted - 1e-6, 1 + self._accepted + 1e-6
        return ((at >= low) & (at <= high)).flatten(1).all(dim=1)

    def arrays(
        self, standing: Bool[np.ndarray, " n"], final: Float64[np.ndarray, " n"]
    ) -> dict[str, np.ndarray]:
        """The curve, which ends at the judge's result.

        Args:
            standing: (n,) images that are right in the end; they count as never broken.
            final: (n,) distances of the judged images.

        Returns:
            ``trace`` (n, points), infinite where an image was not broken yet.
        """
        found = np.maximum(self._found.cpu().numpy(), final[:, None])  # no distance below the judge's
        ended = max(int(np.ceil(POINTS * self._passes / self._budget)) - 1, 0)
        found[:, min(ended, POINTS - 1) :] = final[:, None]
        found[standing] = np.inf
        return {"trace": np.where(np.isnan(found), np.inf, found).astype(np.float32)}
