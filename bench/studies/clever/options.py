"""Options of CLEVER; loads nothing heavy, so that the command's help is quick."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.errors import UsageError, nearest
from bench.numbers.eps import images_kind

ENGINES: tuple[str, ...] = ("evt", "batched", "art")
NORMS: tuple[str, ...] = ("l2", "linf", "l1")
PRESETS: dict[str, tuple[int, int]] = {"quick": (50, 100), "weng2018": (500, 1024)}  # batches, samples
POOL_FACTOR = 10
# Fresh samples for 50 maxima at the cost of a quick pool: 1,000 points in all. Against 300 maxima over 100 samples,
# log L of two classes of 24 images of four digits models was off by 0.57 (root mean square); 0.46 with five times
# the points, 0.92 for the largest sample of a pool of 1,000, which is what fits to a pool come down to.
QUICK_EVT = (50, 20)

# A score cannot exceed its radius, and samples come from that far away. Our choice: on digits about half as large
# again as the distances at which attacks succeeded on three models of the zoo; on photographs round numbers.
RADII: dict[str, dict[str, float]] = {
    "digits": {"l2": 3.0, "linf": 0.3, "l1": 15.0},
    "photographs": {"l2": 2.0, "linf": 0.1, "l1": 40.0},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CleverOptions:
    """Everything that determines the scores of given images under a given model.

    Attributes:
        engine: ``evt`` is the paper's procedure; ``batched`` and ``art`` resample one pool.
        norm: of the perturbation: ``l2``, ``linf`` or ``l1``.
        radius: of the ball sampled around each image, in pixel units; no score exceeds it.
        batches: maxima that the extreme-value distribution is fitted to (the paper's N_b).
        samples: gradients that each maximum is taken over (the paper's N_s).
        pool_factor: the pool has ``pool_factor · samples`` points; of no meaning to ``evt``.
        targets: how many runner-up classes are looked at; ``None`` is all other classes.
        seed: the samples of every image derive from it.
    """

    engine: str
    norm: str
    radius: float
    batches: int
    samples: int
    pool_factor: int
    targets: int | None
    seed: int

    @property
    def gradients(self) -> int:
        """Points per image at which gradients are taken."""
        return self.samples * (self.batches if self.engine == "evt" else self.pool_factor)


def parse_options(
    *,
    image_shape: Sequence[int],
    engine: str = ENGINES[0],
    norm: str = NORMS[0],
    radius: float | None = None,
    preset: str = "quick",
    batches: int | None = None,
    samples: int | None = None,
    pool_factor: int | None = None,
    targets: str = "all",
    seed: int = 0,
) -> CleverOptions:
    """Options from the command line; ``None`` stands for the preset's value or the default radius.

    Args:
        image_shape: (c, h, w), which the default radius depends on.
        targets: ``all`` or ``top-K`` with K of at least 1.

    Raises:
        UsageError: a value outside its range, or an unknown engine, norm, preset or kind of targets.
    """
    for what, value, known in (
        ("engine", engine, ENGINES),
        ("norm", norm, NORMS),
        ("preset", preset, PRESETS),
    ):
        if value not in known:
            raise UsageError(f"unknown CLEVER {what} {value!r}; {nearest(value, known)}")
    budget = _budget(engine, preset)
    radius = default_radius(norm, image_shape) if radius is None else radius
    if not 0 < radius < math.inf:
        raise UsageError(f"--radius is {radius}; it must be a finite number above 0, in pixel units")
    return CleverOptions(
        engine=engine,
        norm=norm,
        radius=float(radius),
        batches=_count("batches", batches, budget[0]),
        samples=_count("samples", samples, budget[1]),
        pool_factor=_count("pool-factor", pool_factor, POOL_FACTOR),
        targets=_targets(targets),
        seed=seed,
    )


def counterparts(options: CleverOptions, engine: str) -> tuple[CleverOptions, ...]:
    """Options of another engine whose scores are compared with these: its own quick budget, or the same one."""
    same = replace(options, engine=engine)
    if (options.batches, options.samples) != _budget(options.engine, "quick"):
        return (same,)
    batches, samples = _budget(engine, "quick")
    return tuple(dict.fromkeys((replace(same, batches=batches, samples=samples), same)))


def _budget(engine: str, preset: str) -> tuple[int, int]:
    return QUICK_EVT if (engine, preset) == ("evt", "quick") else PRESETS[preset]


def default_radius(norm: str, image_shape: Sequence[int]) -> float:
    """The radius for a norm: that of ``digits`` for images of one channel, else that of ``photographs``."""
    return RADII[images_kind(image_shape)][norm]


def _count(name: str, value: int | None, default: int) -> int:
    value = default if value is None else value
    if not isinstance(value, int) or value < 1:
        raise UsageError(f"--{name} is {value}; it must be a whole number of at least 1")
    return value


def _targets(text: str) -> int | None:
    if text == "all":
        return None
    kind, _, number = text.partition("-")
    if kind != "top" or not number.isdecimal() or int(number) < 1:
        raise UsageError(f"--targets is {text!r}; give all, or top-K with K of at least 1, e.g. top-3")
    return int(number)
