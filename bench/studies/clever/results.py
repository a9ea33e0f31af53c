"""CLEVER scores joined over shards, the input of tables, figures and pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from bench.inputs.model_info import ModelInfo
from bench.leaderboard.columns import CLEVER_BATCH
from bench.numbers.bootstrap import bootstrap
from bench.studies.clever.flags import flags, raised
from bench.studies.clever.options import CleverOptions
from bench.studies.shared.results import SettingResults

RESAMPLES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class CleverSetting:
    """What two CLEVER results must share to be compared.

    Attributes:
        dataset, data: name and sha256 of the evaluation split.
        n: the first n images of its fixed order were scored.
        options: engine, norm, radius, budget, targets and seed.
        protocol, backend: as in the cells.
        batch: images of a cell; a killed run loses at most one such cell.
    """

    dataset: str
    data: str
    n: int
    options: CleverOptions
    protocol: str
    backend: str
    batch: int = CLEVER_BATCH


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CleverResult:
    """One model's scores.

    Attributes:
        info: the model.
        library: of the engine, with its version.
        arrays: by image, as ``bench.studies.clever.clever`` returns them, and ``distance``: the size of the smallest
            verified perturbation found (0 for a wrong image, NaN where none was found).
        seconds: time the cells took.
        gradients: images at which all class gradients were taken.
        digest: sha256 over the cells' results.
        split: smallest number of images measured together for lack of memory; ``None`` if no cell was split.
        compared: other engines whose scores in the same setting are at hand: engine → median of (that engine's score /
            this one's) over images scored above 0 by both.
    """

    info: ModelInfo
    library: str
    arrays: Mapping[str, np.ndarray]
    seconds: float
    gradients: int
    digest: str
    split: int | None = None
    compared: Mapping[str, float] = field(default_factory=dict)

    @property
    def scores(self) -> np.ndarray:
        """(n,) float64 in pixel units; 0 for an image classified wrongly."""
        return self.arrays["score"]

    @property
    def right(self) -> np.ndarray:
        """(n,) bool: classified rightly, so that the score says something."""
        return self.arrays["standing"]

    def shares(self) -> dict[str, float]:
        """Shares of zero-gradient, censored, fallback and above-the-attack (see ``bench.studies.clever.flags``)."""
        return flags(self.arrays)

    def raised(self) -> tuple[str, ...]:
        """The shares above their thresholds."""
        return raised(self.shares())

    def median_interval(self, level: float = 0.95) -> tuple[float, float, float]:
        """Median score of all n images (wrong ones count as 0) with its percentile bootstrap interval.

        2,000 resamples, seeded, so that the same scores give the same interval.
        """
        found = bootstrap(self.scores, np.median, draws=RESAMPLES, level=level)
        return found.value, found.lo, found.hi


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CleverResults(SettingResults[CleverSetting, CleverResult]):
    """All models scored in one setting."""

    @property
    def compared(self) -> dict[str, dict[str, float]]:
        """Other engines against this one, where their scores are at hand: engine → model → ratio."""
        found: dict[str, dict[str, float]] = {}
        for model in self.models:
            for engine, ratio in model.compared.items():
                found.setdefault(engine, {})[model.info.name] = ratio
        return found
