"""The progress of a training, without waiting for the device: loss and accuracy are read only when requested."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from zoo.checkpoints import TrainError


@dataclass(frozen=True)
class Sums:
    """Sums of an epoch over the `seen` images so far: of their losses, and of right ones.

    Both sums are tensors on the device. Reading one makes the host wait for all steps before it.
    """

    loss: Float64[Tensor, ""]
    right: Int64[Tensor, ""]
    seen: int = 0

    @classmethod
    def none(cls, device: str) -> Sums:
        """Those of no image."""
        return cls(
            torch.zeros((), dtype=torch.float64, device=device),
            torch.zeros((), dtype=torch.int64, device=device),
        )

    def plus(
        self, loss: Float[Tensor, ""], logits: Float[Tensor, "n k"], labels: Int64[Tensor, " n"]
    ) -> Sums:
        """With one batch more, of this mean loss; new tensors, so that earlier sums stay as they were."""
        return Sums(
            self.loss + loss.detach().double() * len(labels),
            self.right + (logits.argmax(1) == labels).sum(),
            self.seen + len(labels),
        )

    def check(self, epoch: int) -> None:
        """Reads the loss; raises TrainError if any batch's was not finite: no later batch makes the sum so again."""
        total = self.loss.item()
        if not math.isfinite(total):
            raise TrainError(f"the loss is {total} in epoch {epoch}: lower the recipe's peak_lr")


@dataclass(frozen=True)
class Progress:
    """The progress of training after each batch; `epoch` and `batch` count from 1.

    `loss` and `accuracy` (a fraction) are running means over the epoch on the batches as trained on,
    turned and adversarial where the recipe says so, in its `stage` (from 1) with this `rotation` and `eps`.
    On a GPU asking for them after every batch slows training down: each time the host waits for the device.
    `test_accuracy` is on unchanged test images, `held_out` on the held-out ones under the last stage; both
    come with the last batch of an epoch.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    sums: Sums
    test_accuracy: float | None
    seconds_left: float
    stage: int
    rotation: float
    eps: float
    held_out: float | None = None

    @property
    def loss(self) -> float:
        return self.sums.loss.item() / self.sums.seen

    @property
    def accuracy(self) -> float:
        return self.sums.right.item() / self.sums.seen
