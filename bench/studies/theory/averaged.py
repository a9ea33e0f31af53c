"""Definition 13 and Lemma 5 (the paper's sec. 4.4): the gradient averaged over an orbit, against small steps off it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from bench.engine.seeding import seed_of
from bench.studies.theory.gradients import (
    TURNS,
    dithered,
    frozen,
    lengths,
    logit_gradient,
    orbit_of,
    quotient,
    top_two,
)

STEPS = (1 / 255, 4 / 255, 16 / 255)
DIRECTIONS = 4


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class OrbitAverage:
    """L2 norms of φ(x), the gradient of the logit of the class predicted for x, in logits per unit of pixel value.

    Attributes:
        size: ‖φ(x)‖.
        gap: ‖φ̄(x) − φ(x)‖, φ̄ the mean of φ over the four turns of x, as Definition 13 has it.
        turned_back: the same with each of the four gradients turned back before the mean is taken.
        steps: how far δ moves every pixel.
        change: ‖φ(x + δ) − φ(x)‖, the largest over random signs as δ and over the signs of φ(x).
    """

    size: Float64[np.ndarray, " n"]
    gap: Float64[np.ndarray, " n"]
    turned_back: Float64[np.ndarray, " n"]
    steps: tuple[float, ...]
    change: Float64[np.ndarray, "steps n"]

    def ratio(self, gap: str = "gap") -> Float64[np.ndarray, "steps n"]:
        """``gap`` or ``turned_back`` over ``change``: what Lemma 5 takes to be far below 1."""
        return quotient(np.broadcast_to(getattr(self, gap), self.change.shape), self.change)

    @property
    def relative(self) -> Float64[np.ndarray, " n"]:
        """The gap in units of ‖φ(x)‖."""
        return quotient(self.gap, self.size)


def orbit_average(
    model: nn.Module, x: Float[Tensor, "n c s s"], *, steps: tuple[float, ...] = STEPS, seed: int = 0
) -> OrbitAverage:
    """The average and the changes at every image, dithered, in float64.

    x + δ may leave [0, 1]: the lemma has no box.

    Args:
        model: as trained, not deployed; only read.
        x: square images in [0, 1].
        steps: how far δ moves every pixel.
        seed: of the dither and the random signs.
    """
    exact, images = frozen(model, torch.float64), dithered(x.double(), seed)
    classes = top_two(exact, images)[:, 0]
    orbit = logit_gradient(exact, orbit_of(images), classes.repeat(TURNS)).chunk(TURNS)
    back = [torch.rot90(each, -turn, (-2, -1)) for turn, each in enumerate(orbit)]
    here = orbit[0]
    signs = [here.sign(), *_random_signs(images, seed)]

    def change(step: float) -> Float64[np.ndarray, " n"]:
        return np.max(
            [lengths(logit_gradient(exact, images + step * d, classes) - here) for d in signs], axis=0
        )

    return OrbitAverage(
        size=lengths(here),
        gap=lengths(torch.stack(orbit).mean(0) - here),
        turned_back=lengths(torch.stack(back).mean(0) - here),
        steps=tuple(map(float, steps)),
        change=np.stack([change(step) for step in steps]),
    )


def _random_signs(x: Float[Tensor, "n c s s"], seed: int) -> Float[Tensor, "directions n c s s"]:
    generator = torch.Generator().manual_seed(seed_of("theory signs", seed))
    drawn = torch.rand((DIRECTIONS, *x.shape), generator=generator, dtype=torch.float64)
    return (drawn - 0.5).sign().to(x)
