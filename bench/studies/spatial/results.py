"""Spatial measurements joined over shards, the input of tables, figures, rows and pages."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from bench.inputs.model_info import ModelInfo
from bench.numbers.stats import Share, mean_of_draws, wilson
from bench.studies.shared.results import SettingResults
from bench.studies.spatial.setting import SpatialSetting

QUARTERS = (90.0, 180.0, 270.0)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SpatialOutcome:
    """A model's answers on transformed versions of the same n images.

    Attributes:
        right: (n, draws) bool, classified rightly with finite logits.
        changed: (n, draws) bool, another class than on the image itself, or logits that are not finite.
        clean: (n,) bool, the image itself is classified rightly.
        seconds: time the cells took.
        digest: sha256 over the cells' results.
        split: smallest number of images measured together for lack of memory; ``None`` if no cell was split.
    """

    right: Bool[np.ndarray, "n draws"]
    changed: Bool[np.ndarray, "n draws"]
    clean: Bool[np.ndarray, " n"]
    seconds: float
    digest: str
    split: int | None = None

    @property
    def accuracy(self) -> Share:
        """Mean over all images and draws."""
        return mean_of_draws(self.right)

    @property
    def accuracy_given_clean(self) -> Share | None:
        """Mean over the images right when clean, and all draws; ``None`` if there is none."""
        return mean_of_draws(self.right[self.clean]) if self.clean.any() else None

    @property
    def fooled(self) -> Share:
        """The fooling rate: how often the answer is another than on the image itself, right or wrong."""
        return mean_of_draws(self.changed)

    @property
    def fooled_given_clean(self) -> Share | None:
        """The fooling rate of the images right when clean; ``None`` if there is none."""
        return mean_of_draws(self.changed[self.clean]) if self.clean.any() else None


@dataclass(frozen=True, slots=True, eq=False)
class Turned:
    """Answers on the images all turned by one angle; arrays are (n,) bool as in ``SpatialOutcome``."""

    right: Bool[np.ndarray, " n"]
    changed: Bool[np.ndarray, " n"]
    clean: Bool[np.ndarray, " n"]

    @property
    def accuracy(self) -> Share:
        """Share of all images."""
        return wilson(int(self.right.sum()), len(self.right))

    @property
    def fooled(self) -> Share:
        """The fooling rate of all images."""
        return wilson(int(self.changed.sum()), len(self.changed))

    @property
    def lost(self) -> int:
        """Images right when clean and wrong when turned."""
        return int((self.clean & ~self.right).sum())

    @property
    def gained(self) -> int:
        """Images wrong when clean and right when turned."""
        return int((~self.clean & self.right).sum())


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Worst:
    """The images, of n, that no point of a grid breaks.

    Attributes:
        right: (n,) bool, right when clean and at every point of the grid.
        clean: (n,) bool, right when clean.
        queries: (n,) looks taken until the image broke, or all.
        seconds, digest, split: as in ``SpatialOutcome``.
    """

    right: Bool[np.ndarray, " n"]
    clean: Bool[np.ndarray, " n"]
    queries: Int64[np.ndarray, " n"]
    seconds: float
    digest: str
    split: int | None = None

    @property
    def accuracy(self) -> Share:
        """Share of all images."""
        return wilson(int(self.right.sum()), len(self.right))

    @property
    def accuracy_given_clean(self) -> Share | None:
        """Share of the images right when clean; ``None`` if there is none."""
        clean = int(self.clean.sum())
        return wilson(int((self.right & self.clean).sum()), clean) if clean else None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SpatialResult:
    """One model's spatial measurements.

    Attributes:
        info: the model.
        clean: (n,) bool, right when clean.
        rotations, translations: by largest angle or shift.
        turned: all images turned by the same angles, one a column; ``None`` if not requested.
        grid: worst of the grid; ``None`` if not requested.
    """

    info: ModelInfo
    clean: Bool[np.ndarray, " n"]
    rotations: Mapping[float, SpatialOutcome]
    translations: Mapping[float, SpatialOutcome]
    turned: SpatialOutcome | None
    grid: Worst | None

    def random(self, what: str, level: float) -> SpatialOutcome:
        """The outcome of random ``rotate`` or ``translate`` at a level; ``KeyError`` if it was not requested."""
        return {"rotate": self.rotations, "translate": self.translations}[what][level]

    @property
    def clean_accuracy(self) -> Share:
        """Share of all images right when clean."""
        return wilson(int(self.clean.sum()), len(self.clean))

    @property
    def measured(self) -> tuple[SpatialOutcome | Worst, ...]:
        """Everything that was requested but the clean images."""
        random = (*self.rotations.values(), *self.translations.values())
        return (*random, *(each for each in (self.turned, self.grid) if each is not None))

    @property
    def seconds(self) -> float:
        """Time the cells took, those of the clean images aside."""
        return sum(each.seconds for each in self.measured)

    @property
    def digest(self) -> str:
        """sha256 over everything measured."""
        return hashlib.sha256("".join(each.digest for each in self.measured).encode()).hexdigest()

    @property
    def angles(self) -> tuple[float, ...]:
        """The fixed angles, in degrees from 0° on; empty if there are none."""
        count = self.turned.right.shape[1] if self.turned else 0
        return tuple(360 * turn / count for turn in range(count))

    def at(self, angle: float) -> Turned | None:
        """The images all turned by one of the fixed angles; ``None`` if it is not one of them."""
        if self.turned is None or angle not in self.angles:
            return None
        column = self.angles.index(angle)
        return Turned(self.turned.right[:, column], self.turned.changed[:, column], self.clean)

    def lowest_between(self) -> tuple[float, Share] | None:
        """The fixed angle, no multiple of 90°, that costs most, with the accuracy there; ``None`` without any."""
        found = [
            (angle, turned.accuracy) for angle in self.angles if angle % 90 and (turned := self.at(angle))
        ]
        return min(found, key=lambda each: each[1].value, default=None)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SpatialResults(SettingResults[SpatialSetting, SpatialResult]):
    """All models of one setting."""
