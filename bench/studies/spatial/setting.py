"""The setting of a spatial evaluation: levels, draws, the grid, and the interpolation."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench.engine.shards import BATCH
from bench.errors import UsageError, nearest
from zoo.spatial import FILLS, INTERPOLATIONS

ROTATIONS = (30.0, 60.0, 90.0, 120.0, 150.0, 180.0)
TRANSLATIONS = (0.1,)
DRAWS = 10
GRID = (31, 5)  # angles and shifts along each axis, as Engstrom et al. (2019) search
GRID_ROTATION, GRID_TRANSLATION = 30.0, 0.1  # largest of them, in degrees and as a share of the side
TURNS = 24  # fixed angles on the full circle: every 15°


@dataclass(frozen=True, slots=True, kw_only=True)
class SpatialSetting:
    """The values that two results must share to be compared.

    Attributes:
        dataset, data: name and sha256 of the evaluation split.
        n: the first n images of its fixed order were looked at.
        rotations: largest angles θ in degrees; angles are uniform in ±θ.
        translations: largest shifts t as shares of the side; shifts are uniform in ±t along each axis.
        draws: random angles or shifts for each image.
        grid: angles, and shifts along each axis, whose worst combination is searched; ``None`` for no search.
        turns: fixed angles, evenly spaced on the full circle from 0° on; 0 for none.
        interpolation, fill: see ``zoo.spatial.moved``.
        seed: of the draws.
        protocol, backend: as in the cells.
        batch: images of a cell, which are looked at together.
    """

    dataset: str
    data: str
    n: int
    rotations: tuple[float, ...]
    translations: tuple[float, ...]
    draws: int
    grid: tuple[int, int] | None
    turns: int
    interpolation: str
    fill: str
    seed: int
    protocol: str
    backend: str
    batch: int = BATCH


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a setting, with the same fields.

    Raises:
        UsageError: an invalid value, on construction.
    """

    rotations: tuple[float, ...] = ROTATIONS
    translations: tuple[float, ...] = TRANSLATIONS
    draws: int = DRAWS
    grid: tuple[int, int] | None = GRID
    turns: int = TURNS
    interpolation: str = "bilinear"
    fill: str = "black"

    def __post_init__(self) -> None:
        for angle in self.rotations:
            if not 0 < angle <= 180:
                raise UsageError(f"--rotate has {angle:g}; angles are degrees above 0 and at most 180")
        for shift in self.translations:
            if not 0 < shift <= 1:
                raise UsageError(
                    f"--translate has {shift:g}; shifts are shares of the side, above 0 and at most 1"
                )
        if self.draws < 1:
            raise UsageError(f"--draws is {self.draws}; it must be at least 1")
        if self.grid is not None and min(self.grid) < 1:
            raise UsageError(f"--grid is {_grid_text(self.grid)}; both numbers must be at least 1")
        if self.turns < 0:
            raise UsageError(f"--turns is {self.turns}; it must be 0 or more")
        if self.interpolation not in INTERPOLATIONS:
            raise UsageError(
                f"unknown --interpolation {self.interpolation!r}; {nearest(self.interpolation, INTERPOLATIONS)}"
            )
        if self.fill not in FILLS:
            raise UsageError(f"unknown --fill {self.fill!r}; {nearest(self.fill, FILLS)}")
        if not (self.rotations or self.translations or self.grid or self.turns):
            raise UsageError("nothing is to be measured; give --rotate, --translate, --grid or --turns")


def parse_levels(text: str, option: str) -> tuple[float, ...]:
    """The numbers of a list with commas, ascending, each once; ``none`` is no number.

    Raises:
        UsageError: a part that is not a finite number.
    """
    if text.strip() == "none":
        return ()
    parts = [part.strip() for part in text.split(",") if part.strip()]
    try:
        levels = [float(part) for part in parts]
    except ValueError:
        levels = []
    if not levels or not all(map(math.isfinite, levels)):
        raise UsageError(f"{option} is {text!r}; give numbers with commas between, or none")
    return tuple(sorted(set(levels)))


def parse_grid(text: str) -> tuple[int, int] | None:
    """Angles and shifts along each axis of ``31x5``; ``None`` of ``none``.

    Raises:
        UsageError: anything else.
    """
    if text.strip() == "none":
        return None
    angles, _, shifts = text.strip().partition("x")
    if not (angles.isdecimal() and shifts.isdecimal()):
        raise UsageError(f"--grid is {text!r}; give ANGLESxSHIFTS such as 31x5, or none")
    return int(angles), int(shifts)


def grid_points(
    angles: int, shifts: int, rotation: float, translation: float
) -> tuple[tuple[float, float, float], ...]:
    """Every (angle, shift right, shift down) of a grid but the image itself, the largest first.

    The order changes no result: large transformations break most images, so the search ends sooner.
    """
    along = _evenly(shifts, translation)
    points = [
        (angle, right, down) for angle in _evenly(angles, rotation) for right in along for down in along
    ]

    def size(point: tuple[float, float, float]) -> float:
        angle, right, down = point
        return abs(angle) / rotation + max(abs(right), abs(down)) / translation

    return tuple(sorted((point for point in points if any(point)), key=size, reverse=True))


def _evenly(count: int, largest: float) -> list[float]:
    """Values from −largest to largest, symmetric; 0 alone for one."""
    return [largest * (2 * i - count + 1) / (count - 1) for i in range(count)] if count > 1 else [0.0]


def _grid_text(grid: tuple[int, int]) -> str:
    return f"{grid[0]}x{grid[1]}"
