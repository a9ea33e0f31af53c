"""What became of each image of a shard while it was attacked, round by round."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from bench.engine.judge import Verdict

KEPT_IMAGES = 16
NOT_ATTACKED = -1


class AttackOutcomes:
    """Keeps, for every image of a shard, the attacked version that counts."""

    def __init__(
        self, x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"], standing: Bool[Tensor, " n"]
    ) -> None:
        n = len(x)
        self.first_images = x[:KEPT_IMAGES].clone()
        self.standing = standing.clone()
        self.attacked = standing.clone()
        self.columns = {
            "distance": torch.full((n,), float("nan"), dtype=torch.float64),
            "predicted": torch.full((n,), NOT_ATTACKED, dtype=torch.int64),
            "margin": torch.full((n,), float("nan"), dtype=torch.float32),
            "loss": torch.full((n,), float("nan"), dtype=torch.float32),
            "nonfinite": torch.zeros(n, dtype=torch.bool),
            "projected": torch.zeros(n, dtype=torch.bool),
        }
        self.silent = torch.zeros(n, dtype=torch.bool)

    def left(self) -> Int64[Tensor, " left"]:
        """Indices of the images still standing."""
        return self.standing.nonzero().squeeze(1)

    def record(
        self,
        at: Int64[Tensor, " n"],
        images: Float[Tensor, "n c h w"],
        verdict: Verdict,
        silent: Bool[Tensor, " n"],
    ) -> None:
        """Notes one round's images: an image that broke, or one that still stands in its last attempt.

        Args:
            at: (n,) places of the images in the shard.
            images: their attacked versions (n, c, h, w).
            verdict: the judge's.
            silent: (n,) bool, an iterate on the way broke the image though the last one did not.
        """
        self.standing[at] = verdict.right
        where = at.cpu()
        for name, column in self.columns.items():
            column[where] = getattr(verdict, name).to(column.dtype).cpu()
        broken_at_the_end = ~(verdict.right | silent).cpu()
        self.silent[where] = (self.silent[where] | silent.cpu()) & ~broken_at_the_end
        kept = at < len(self.first_images)
        self.first_images[at[kept]] = images[kept]

    def arrays(self) -> dict[str, np.ndarray]:
        """The columns as numpy arrays, (n,) each, and the attacked versions of the first images."""
        index = self.attacked[: len(self.first_images)].nonzero().squeeze(1)
        return {
            "standing": self.standing.cpu().numpy(),
            "attacked": self.attacked.cpu().numpy(),
            **{name: column.numpy() for name, column in self.columns.items()},
            "silent": self.silent.numpy(),
            "image_index": index.cpu().numpy(),
            "image": self.first_images[index].cpu().numpy(),
        }
