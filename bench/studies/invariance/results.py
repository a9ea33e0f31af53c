"""Invariance attacks joined over shards and ε, the input of tables and pages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from bench.inputs.model_info import ModelInfo
from bench.numbers.stats import Share, wilson
from bench.studies.invariance.cells import InvarianceSetting
from bench.studies.shared.results import SettingResults


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class InvarianceResult:
    """One model.

    Attributes:
        info: the model.
        counted: (n,) right when clean by the model and by the proxy; shares are of these.
        changed: (ε, n) the proxy gives another class to an image moved by at most ε.
        invariant: (ε, n) to one that the model still gives the old class.
        seconds, digest: time the cells took, and sha256 over their results.
    """

    info: ModelInfo
    counted: Bool[np.ndarray, " n"]
    changed: Bool[np.ndarray, "radii n"]
    invariant: Bool[np.ndarray, "radii n"]
    seconds: float
    digest: str

    def shares(self) -> tuple[Share, ...]:
        """Of the counted images those with an invariance example within each ε."""
        return self._shares(self.invariant)

    def ceilings(self) -> tuple[Share, ...]:
        """Of the counted images those whose class by the proxy changes within each ε, whatever the model says."""
        return self._shares(self.changed)

    def _shares(self, found: Bool[np.ndarray, "radii n"]) -> tuple[Share, ...]:
        within = np.logical_or.accumulate(found, axis=0)[:, self.counted]  # a ball contains the smaller ones
        return tuple(wilson(int(each.sum()), len(each)) for each in within) if within.shape[1] else ()


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class InvarianceResults(SettingResults[InvarianceSetting, InvarianceResult]):
    """All models of one setting."""
