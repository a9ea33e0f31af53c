"""The outcome of each image of a shard under attack, round by round."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from bench.engine.judge import Verdict
from bench.engine.result import KEPT_IMAGES

NOT_ATTACKED = -1


class AttackOutcomes:
    """Keeps the attacked version that counts for every image of a shard, on the images' device."""

    def __init__(
        self, x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"], standing: Bool[Tensor, " n"]
    ) -> None:
        self.images = x.clone()
        self.standing = standing.clone()
        self.attacked = standing.clone()
        blank = {
            "distance": (torch.nan, torch.float64),
            "predicted": (NOT_ATTACKED, torch.int64),
            "margin": (torch.nan, torch.float32),
            "loss": (torch.nan, torch.float32),
            "nonfinite": (False, torch.bool),
            "projected": (False, torch.bool),
        }
        self.columns = {
            name: torch.full((len(x),), value, dtype=dtype, device=x.device)
            for name, (value, dtype) in blank.items()
        }
        self.silent = torch.zeros_like(standing)

    def left(self) -> Int64[Tensor, " left"]:
        """Indices of the images that are still right and to be attacked."""
        return (self.standing & self.attacked).nonzero().squeeze(1)

    def leave_out(self, which: Bool[Tensor, " n"]) -> None:
        """Excludes images from the attack; their outcome stays as before."""
        self.attacked &= ~which

    def record(
        self,
        left: Int64[Tensor, " m"],
        images: Float[Tensor, "n c h w"],
        verdict: Verdict,
        silent: Bool[Tensor, " n"],
    ) -> None:
        """Records one call's images: of each image the first attempt that broke it, or the last one that did not.

        Args:
            left: (m,) places of the attacked images in the shard.
            images: their attacked versions (n, c, h, w), n a multiple of m: all of them, once a round.
            verdict: the judge's.
            silent: (n,) bool, an earlier iterate broke the image though the last one did not.
        """
        columns = {name: getattr(verdict, name).to(column.dtype) for name, column in self.columns.items()}
        for block in torch.arange(len(images), device=left.device).split(len(left)):
            stands = self.standing[left]  # an earlier round of this call may have broken some
            at, of = left[stands], block[stands]
            self.standing[at] = verdict.right[of]
            for name, column in self.columns.items():
                column[at] = columns[name][of]
            self.silent[at] = silent[of] | (self.silent[at] & verdict.right[of])
            self.images[at] = images[of]

    def arrays(self) -> dict[str, np.ndarray]:
        """The columns as numpy arrays, (n,) each, and the attacked versions of the first images."""
        attacked = self.attacked.cpu().numpy()
        index = attacked[:KEPT_IMAGES].nonzero()[0]
        return {
            "standing": self.standing.cpu().numpy(),
            "attacked": attacked,
            **{name: column.cpu().numpy() for name, column in self.columns.items()},
            "silent": self.silent.cpu().numpy(),
            "image_index": index,
            "image": self.images[:KEPT_IMAGES].cpu().numpy()[index],
        }
