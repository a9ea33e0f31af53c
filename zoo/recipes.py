"""How a model is trained, as numbers: one optimiser and schedule for all, three ways to make a batch.

AdamW on cross-entropy, the learning rate rising linearly over the first fifth of the steps and falling to
zero as a cosine; no augmentation, as in the paper. Peak and decay were chosen by short trials.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from dataclasses import asdict, dataclass, replace

from zoo.errors import UserError

__all__ = ["RECIPES", "Recipe", "UnknownRecipe", "recipe"]


class UnknownRecipe(UserError, ValueError):
    """A recipe that does not exist; the message gives those that do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides the weights besides architecture, data, seed and machine.

    `share` of each batch is replaced by adversarial examples in the L∞ ball of radius `eps` (pixel units,
    images in [0, 1]), made in `steps` signed gradient steps of `alpha` from the image or, with
    `random_start`, from a uniform point of the ball.
    """

    name: str
    epochs: int
    batch: int = 128
    peak_lr: float = 0.01
    weight_decay: float = 0.05
    share: float = 0.0
    eps: float = 0.0
    alpha: float = 0.0
    steps: int = 0
    random_start: bool = False

    @property
    def fingerprint(self) -> str:
        """sha256 of all the numbers."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def _fgsm(name: str, epochs: int, eps: float) -> Recipe:
    """Half of each batch single-step examples, as in the paper's "mixed" training."""
    return Recipe(name=name, epochs=epochs, share=0.5, eps=eps, alpha=eps, steps=1)


def _pgd(name: str, epochs: int, eps: float, alpha: float, steps: int) -> Recipe:
    """Adversarial examples only, from a random start (Madry et al. 2018)."""
    return Recipe(name=name, epochs=epochs, share=1.0, eps=eps, alpha=alpha, steps=steps, random_start=True)


_DIGITS = {
    "standard": Recipe(name="standard", epochs=30),
    "pgd_at": _pgd("pgd_at", 30, eps=0.1, alpha=2.5 * 0.1 / 7, steps=7),
    "fgsm_mix": _fgsm("fgsm_mix", 30, eps=0.05),
}
_PHOTOGRAPHS = {
    "standard": Recipe(name="standard", epochs=15),
    "pgd_at": _pgd("pgd_at", 15, eps=8 / 255, alpha=2 / 255, steps=10),
    # the released scripts' 0.01 is in units normalised by 0.5
    "fgsm_mix": _fgsm("fgsm_mix", 15, eps=0.005),
}
RECIPES = tuple(_DIGITS)


def recipe(name: str, levels: int = 255, *, epochs: int | None = None) -> Recipe:
    """The recipe of that name for images of so many `levels`: 16 is the digits, 255 photographs.

    Raises UnknownRecipe, or ValueError for fewer than one epoch.
    """
    table = _DIGITS if levels == 16 else _PHOTOGRAPHS
    if name not in table:
        near = difflib.get_close_matches(name, table, n=1, cutoff=0.4) or list(table)
        raise UnknownRecipe(f"unknown recipe {name!r}; there are {', '.join(table)}: did you mean {near[0]}?")
    if epochs is None:
        return table[name]
    if epochs < 1:
        raise ValueError(f"{epochs} epochs: train for at least one")
    return replace(table[name], epochs=epochs)
