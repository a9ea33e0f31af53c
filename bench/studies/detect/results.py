"""Detection joined over ε, the input of tables, figures and pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from bench.inputs.model_info import ModelInfo
from bench.numbers.roc import auc
from bench.numbers.stats import Share, wilson
from bench.studies.detect.cells import DetectSetting
from bench.studies.shared.results import SettingResults


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Answers:
    """The outputs of a model and its detector for n images."""

    wrong: Bool[np.ndarray, " n"]
    flagged: Bool[np.ndarray, " n"]
    score: Float64[np.ndarray, " n"]

    @property
    def evades(self) -> Bool[np.ndarray, " n"]:
        """Misclassified without being flagged."""
        return self.wrong & ~self.flagged


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class AtEps:
    """One model at one ε. Every share is of all n images.

    Attributes:
        eps: radius in L∞.
        clean, plain, adaptive: answers on clean images, under the attack that does not know the detector, and
            under the one that does.
        smaller: the same at the next smaller ε; attacks that succeed there succeed in this larger ball too.
    """

    eps: float
    clean: Answers
    plain: Answers
    adaptive: Answers
    smaller: AtEps | None = None

    @property
    def undefended(self) -> Share:
        """Right when clean and under both attacks, without the detector."""
        return _share(~self.clean.wrong & ~self._broken(lambda at: at.plain.wrong | at.adaptive.wrong))

    @property
    def aware_plain(self) -> Share:
        """Right and not flagged when clean, and not both misclassified and unflagged under the plain attack."""
        return _share(self._accepted & ~self._broken(lambda at: at.plain.evades))

    @property
    def aware(self) -> Share:
        """The same under both attacks together: the number that counts."""
        return _share(self._accepted & ~self._broken(lambda at: at.plain.evades | at.adaptive.evades))

    @property
    def accepted(self) -> Share:
        """Right and not flagged when clean: accuracy with the detector."""
        return _share(self._accepted)

    @property
    def auc_plain(self) -> float:
        """Area under the ROC curve, clean images against what the plain attack got misclassified."""
        return auc(self.clean.score, self.plain.score[self.plain.wrong])

    @property
    def auc_adaptive(self) -> float:
        """The same of the adaptive attack."""
        return auc(self.clean.score, self.adaptive.score[self.adaptive.wrong])

    def _broken(self, succeeds: Callable[[AtEps], Bool[np.ndarray, " n"]]) -> Bool[np.ndarray, " n"]:
        """Images on which an attack succeeds at this ε or a smaller one."""
        here = succeeds(self)
        return here if self.smaller is None else here | self.smaller._broken(succeeds)

    @property
    def _accepted(self) -> Bool[np.ndarray, " n"]:
        return ~self.clean.wrong & ~self.clean.flagged


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class DetectResult:
    """One model; ``digest`` is over its cells' results, ``seconds`` the time they took."""

    info: ModelInfo
    radii: tuple[AtEps, ...]
    seconds: float
    digest: str

    @property
    def clean_accuracy(self) -> Share:
        """Clean accuracy without the detector."""
        return _share(~self.radii[0].clean.wrong)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class DetectResults(SettingResults[DetectSetting, DetectResult]):
    """All models of one setting."""


def _share(outcome: Bool[np.ndarray, " n"]) -> Share:
    return wilson(int(outcome.sum()), len(outcome))
