"""Training recipes as numbers: optimiser, schedule, adversarial examples, loss.

AdamW for all. Unless a recipe says otherwise the learning rate rises linearly over the first fifth of the
steps and falls to zero as a cosine, and images are taken as they are. docs/recipes.md gives every recipe's
numbers with their reasons. A schedule is data, so another one takes a few lines::

    stages = (Stage(until=0.5, rotation=60, eps=2 / 255), Stage(until=1, rotation=180, eps=8 / 255))
    gentle = replace(recipe("cusp"), name="gentle", drops=(0.5, 0.9), stages=stages)

``zoo.train.train("baseline_cnn", …, recipe=gentle)`` writes ``baseline_cnn.gentle``.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from zoo import schedule
from zoo.entries import NOISY, OWN_RECIPE, ROTATED
from zoo.errors import UserError
from zoo.schedule import Point, Stage

__all__ = ["RECIPES", "Point", "Recipe", "Stage", "UnknownRecipe", "recipe"]

LOSSES = ("ce", "trades", "ibp", "jsigr", "last", "afa")
WEIGHTED = ("trades", "jsigr", "last", "afa")  # losses whose second term has the weight beta
WHOLE = ("trades", "last", "afa")  # losses of attacked batches beside the clean ones
FROM_ABSTRACTS = ("jsigr", "last", "afa")  # our reading of papers of which we had only the abstract
PRECISIONS = ("float32", "bfloat16")
# Later fields enter row and fingerprint only if they differ from their default, so old ones do not change.
_LATER = ("stages", "drops", "warmup", "loss", "beta", "held_out", "precision", "noise", "select", "proxy")


class UnknownRecipe(UserError, ValueError):
    """A recipe that does not exist; the message gives those that do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides the weights besides architecture, data, seed and machine.

    `share` of each batch is replaced by adversarial examples in the L∞ ball of radius `eps` (pixel units,
    images in [0, 1]), made in `steps` signed gradient steps of `alpha` from the image or, with
    `random_start`, from a uniform point of the ball.

    With `stages` their radii stand in for `eps`, and images are first turned. With `drops` the learning rate
    falls by ten after these shares of the epochs, and rises linearly over the first `warmup` of all steps.
    `loss` is cross-entropy (`ce`), that of TRADES with weight `beta`, or that of interval bounds (`ibp`), which
    needs no attack: ε is of the box that is bounded (see `zoo.losses`). `jsigr` penalises gradients and attacks
    nothing: `beta` and `select` are the weights of its two penalties. `last` and `afa` compare clean and attacked
    images with weight `beta`; with `proxy` every step goes from the weights one step ago, and the model moves by
    this share towards the answer (see `zoo.proxy`). `held_out` is the share of the training
    images that is kept apart to find the best epoch. With `precision` bfloat16 the network's own arithmetic in
    training is of that type (autocast); weights, loss and optimiser stay float32. Gaussian noise of standard
    deviation `noise` is added to every image, anew in every epoch; pixels may then leave [0, 1].

    Raises:
        ValueError: numbers that contradict one another.
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
    stages: tuple[Stage, ...] = ()
    drops: tuple[float, ...] = ()
    warmup: float = 0.0
    loss: str = "ce"
    beta: float = 0.0
    held_out: float = 0.0
    precision: str = "float32"
    noise: float = 0.0
    select: float = 0.0
    proxy: float = 0.0

    def __post_init__(self) -> None:
        for wrong, reason in _contradictions(self):
            if wrong:
                raise ValueError(f"recipe {self.name!r}: {reason}")

    @property
    def row(self) -> dict[str, Any]:
        """All the numbers, as JSON keeps them; later fields only where they differ from their default."""
        silent = {each.name for each in fields(self) if getattr(self, each.name) == each.default}
        numbers = {
            key: value for key, value in asdict(self).items() if key not in silent or key not in _LATER
        }
        return json.loads(json.dumps(numbers))

    @property
    def fingerprint(self) -> str:
        """sha256 of all the numbers."""
        return hashlib.sha256(json.dumps(self.row, sort_keys=True).encode()).hexdigest()

    def at(self, epoch: int, part: float = 0.0) -> Point:
        """The values in an epoch, from 1, when this part of its batches is done."""
        if self.drops or self.warmup:
            rate = schedule.steps(self.drops, self.warmup, epoch, self.epochs, part)
        else:
            rate = schedule.one_cycle((epoch - 1 + part) / self.epochs)
        if not self.stages:
            return Point(stage=1, rotation=0.0, eps=self.eps, rate=rate)
        place = schedule.stage_of(self.stages, epoch, self.epochs)
        stage = self.stages[place]
        return Point(stage=place + 1, rotation=stage.rotation, eps=stage.eps, rate=rate)


def _contradictions(recipe: Recipe) -> list[tuple[bool, str]]:
    ends = [stage.until for stage in recipe.stages]
    radii = [recipe.eps, *(stage.eps for stage in recipe.stages)]
    attacked, bounded, loss = recipe.share > 0, recipe.loss == "ibp", recipe.loss
    return [
        (not re.fullmatch(OWN_RECIPE, recipe.name), "a name is letters, digits, _ and +, a letter first"),
        (bool(ends) and ends[-1] != 1, "the last stage ends at 1"),
        (ends != sorted({*ends}) or min(ends, default=1) <= 0, "stages end one after another, above 0"),
        (any(not 0 <= stage.rotation <= 180 for stage in recipe.stages), "rotations lie in 0 to 180 degrees"),
        (bool(ends) and recipe.eps != 0, "with stages, eps stands in each of them"),
        (
            any(stage.eps > 0 for stage in recipe.stages) and not (attacked or bounded),
            "stages with eps need a share",
        ),
        (any(not 0 < drop < 1 for drop in recipe.drops), "drops lie between 0 and 1"),
        (not 0 <= recipe.warmup < 1, "warmup is a share from 0 to below 1"),
        (not 0 <= recipe.held_out < 1, "held_out is a share from 0 to below 1"),
        (recipe.loss not in LOSSES, f"loss is one of {', '.join(LOSSES)}"),
        (recipe.precision not in PRECISIONS, f"precision is one of {', '.join(PRECISIONS)}"),
        ((loss in WEIGHTED) != (recipe.beta > 0), f"beta above 0 goes with loss {_either(WEIGHTED)} alone"),
        (loss == "last" and recipe.beta >= 1, "loss last takes a beta below 1: it is a share"),
        (loss in WHOLE and recipe.share != 1, f"loss {loss} takes whole batches, share 1"),
        (loss in ("ibp", "jsigr") and attacked, f"loss {loss} takes no share: it attacks nothing"),
        (bounded and recipe.precision != "float32", "loss ibp needs precision float32"),
        (
            recipe.select < 0 or (recipe.select > 0) > (loss == "jsigr"),
            "select is 0 or more, of loss jsigr alone",
        ),
        (not 0 <= recipe.proxy <= 1, "proxy is a share from 0 to 1"),
        (recipe.proxy > 0 and not attacked, "a proxy above 0 needs a share of attacked images"),
        (recipe.noise < 0, "noise is a standard deviation, 0 or more"),
        (min(radii) < 0, "eps is a radius, 0 or more"),
        (attacked and recipe.steps < 1, "a share above 0 needs steps, at least 1"),
        (attacked and recipe.alpha <= 0, "a share above 0 needs alpha, the length of a step, above 0"),
        (attacked and max(radii) <= 0, "a share above 0 needs an eps above 0, its own or a stage's"),
    ]


def _either(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _fgsm(name: str, epochs: int, eps: float) -> Recipe:
    """Half of each batch single-step examples, as in the paper's "mixed" training."""
    return Recipe(name=name, epochs=epochs, share=0.5, eps=eps, alpha=eps, steps=1)


def _pgd(name: str, epochs: int, eps: float, alpha: float, steps: int) -> Recipe:
    """Adversarial examples only, from a random start (Madry et al. 2018)."""
    return Recipe(name=name, epochs=epochs, share=1.0, eps=eps, alpha=alpha, steps=steps, random_start=True)


def _trades(full: Recipe, alpha: float) -> Recipe:
    """TRADES (Zhang et al. 2019), β as there; it starts from Gaussian noise of its own."""
    return replace(
        full, name="trades", alpha=alpha, random_start=False, loss="trades", beta=6.0, held_out=HELD_OUT
    )


def _cusp(full: Recipe) -> Recipe:
    """CuSP (Kamath et al. 2021): rotations and ε grow at the first two of three drops, as released.

    Peak and warm-up are ours, for AdamW: found by short trials (docs/recipes.md).
    """
    first, second, third = 74 / 120, 89 / 120, 99 / 120
    stages = (
        Stage(until=first, rotation=120, eps=full.eps / 4),
        Stage(until=second, rotation=150, eps=full.eps / 2),
        Stage(until=1, rotation=180, eps=full.eps),
    )
    drops = (first, second, third)
    cusp = replace(full, name="cusp", eps=0.0, stages=stages, drops=drops, held_out=HELD_OUT)
    return replace(cusp, peak_lr=0.03, warmup=0.05)


def _ibp(eps: float) -> Recipe:
    """Interval bounds (Gowal et al. 2018): ε grows by a constant factor up to 70 % of the training.

    It begins so small because a fresh network of ten layers widens a box by ten orders of magnitude. Long, at a low
    rate and without decay: found by short trials (docs/recipes.md).
    """
    ends = [0.02 + 0.68 * i / IBP_STAGES for i in range(IBP_STAGES)]
    sizes = [0.0, *(eps * IBP_FIRST ** (1 - i / IBP_STAGES) for i in range(1, IBP_STAGES))]
    ramp = tuple(Stage(until=end, eps=size) for end, size in zip(ends, sizes, strict=True))
    stages = (*ramp, Stage(until=1, eps=eps))
    return Recipe(name="ibp", epochs=200, peak_lr=0.003, weight_decay=0.0, loss="ibp", stages=stages)


def _jsigr(standard: Recipe) -> Recipe:
    """J-SIGR (Liu et al. 2022), of whose text the abstract was at hand; docs/recipes.md says what is ours."""
    return replace(standard, name="jsigr", loss="jsigr", beta=0.01, select=0.1)


def _last(full: Recipe) -> Recipe:
    """LAST (Liu et al. 2023), of whose text the abstract was at hand; docs/recipes.md says what is ours."""
    return replace(full, name="last", loss="last", beta=0.5, proxy=0.8, held_out=HELD_OUT)


def _afa(full: Recipe) -> Recipe:
    """The alignment of AFA (arXiv 2105.15157) without its two batch norms; docs/recipes.md says what is ours.

    Attacks start at the image, for every image has a radius of its own.
    """
    return replace(full, name="afa", random_start=False, loss="afa", beta=1.0, held_out=HELD_OUT)


def _table(
    standard: Recipe, full: Recipe, mixed: Recipe, trades_alpha: float, bounded: float
) -> dict[str, Recipe]:
    half = replace(full, name="pgd_at_half", eps=full.eps / 2, held_out=HELD_OUT)
    quarter = replace(full, name="pgd_at_quarter", eps=full.eps / 4, held_out=HELD_OUT)
    known = (standard, full, mixed, half, quarter, _trades(full, trades_alpha), _cusp(full), _ibp(bounded))
    known = (*known, _jsigr(standard), _last(full), _afa(full))
    return {each.name: each for each in known}


HELD_OUT = 0.1
IBP_STAGES, IBP_FIRST = 60, 1e-8  # steps of ε, and where it begins as a share of its end
_DIGITS = _table(
    Recipe(name="standard", epochs=30),
    _pgd("pgd_at", 30, eps=0.1, alpha=2.5 * 0.1 / 7, steps=7),
    _fgsm("fgsm_mix", 30, eps=0.05),
    trades_alpha=2.5 * 0.1 / 7,
    bounded=0.05,
)
_PHOTOGRAPHS = _table(
    Recipe(name="standard", epochs=15),
    _pgd("pgd_at", 15, eps=8 / 255, alpha=2 / 255, steps=10),
    # the released scripts' 0.01 is in units normalised by 0.5
    _fgsm("fgsm_mix", 15, eps=0.005),
    trades_alpha=0.007,
    bounded=2 / 255,
)
RECIPES = tuple(_DIGITS)


def recipe(name: str, levels: int = 255, *, epochs: int | None = None) -> Recipe:
    """The recipe of that name for images of so many `levels`: 16 is the digits, 255 photographs.

    Raises UnknownRecipe, or ValueError for fewer than one epoch.
    """
    table = _DIGITS if levels == 16 else _PHOTOGRAPHS
    rotated, noisy = re.fullmatch(ROTATED, name), re.fullmatch(NOISY, name)
    if rotated:
        found = _rotated(name, float(rotated["theta"]), table[rotated["under"] or "standard"])
    elif noisy:
        found = replace(table["standard"], name=name, noise=int(noisy["sigma"]) / 100)
    elif name in table:
        found = table[name]
    else:
        candidates = [*table, "gauss25", "rotate180", "rotate180+pgd_at"]
        near = difflib.get_close_matches(name, candidates, n=1, cutoff=0.4) or candidates
        raise UnknownRecipe(
            f"unknown recipe {name!r}; there are {', '.join(table)}, gauss<σ in hundredths, 1 to 99>, "
            "rotate<degrees, 1 to 180> and rotate<degrees>+pgd_at, +pgd_at_half or +pgd_at_quarter: "
            f"did you mean {near[0]}?"
        )
    if epochs is None:
        return found
    if epochs < 1:
        raise ValueError(f"{epochs} epochs: train for at least one")
    return replace(found, epochs=epochs)


def _rotated(name: str, theta: float, base: Recipe) -> Recipe:
    """A recipe on images turned by ± theta degrees; attacked ones are attacked after the turn."""
    stages = (Stage(until=1, rotation=theta, eps=base.eps),)
    held_out = HELD_OUT if base.share else 0.0
    return replace(base, name=name, eps=0.0, stages=stages, held_out=held_out)
