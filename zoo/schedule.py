"""The schedule of a training as data: stages of difficulty, drops of the learning rate.

Everything is given in shares of the epochs, so that one schedule serves a short budget and a long one. A share
ends with the epoch it comes closest to (halves go up).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Point", "Stage", "last_epoch", "one_cycle", "stage_of", "steps"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The difficulty of the images up to a point of the training.

    Attributes:
        until: share of the epochs after which the stage ends, in (0, 1]; 1 for the last.
        rotation: images are turned by an angle uniform in ± so many degrees, anew in every epoch.
        eps: L∞ radius of the adversarial examples in pixel units, images in [0, 1].
    """

    until: float
    rotation: float = 0.0
    eps: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The values at one moment of a training.

    Attributes:
        stage: number of the stage, from 1.
        rotation: degrees, as in a stage.
        eps: L∞ radius, as in a stage.
        rate: learning rate as a share of its peak.
    """

    stage: int
    rotation: float
    eps: float
    rate: float


def last_epoch(share: float, epochs: int) -> int:
    """The epoch, counted from 1, with which a share of the epochs ends; 0 if the share is under half an epoch."""
    return math.floor(
        share * epochs + 0.5 + 1e-9
    )  # 74/120 of 30 epochs is a half, whatever its last bit says


def stage_of(stages: Sequence[Stage], epoch: int, epochs: int) -> int:
    """The place in ``stages``, from 0, of the stage an epoch (from 1) lies in.

    With few epochs a stage may have none; the first that ends with this epoch or later is taken. The last epoch
    is always of the last stage, which is what held-out images are judged under.
    """
    if epoch == epochs:
        return len(stages) - 1
    return next(place for place, each in enumerate(stages) if epoch <= last_epoch(each.until, epochs))


def one_cycle(part: float) -> float:
    """The learning rate as a share of its peak after this part of all steps: a linear rise, then a cosine."""
    rise = 0.2
    return part / rise if part < rise else 0.5 * (1 + math.cos(math.pi * (part - rise) / (1 - rise)))


def steps(drops: Sequence[float], warmup: float, epoch: int, epochs: int, part: float) -> float:
    """The learning rate as a share of its peak when it falls by ten after each of ``drops``.

    Args:
        drops: shares of the epochs.
        warmup: share of all steps over which the rate rises linearly at the start.
        epoch: from 1.
        epochs: of the training.
        part: share of the epoch's batches that are done.
    """
    done = (epoch - 1 + part) / epochs
    rise = min(1.0, done / warmup) if warmup else 1.0
    return rise * 10.0 ** -sum(epoch > last_epoch(drop, epochs) for drop in drops)
