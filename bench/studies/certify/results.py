"""Certificates joined over shards, the input of tables, figures, rows and pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from bench.inputs.model_info import ModelInfo
from bench.numbers.stats import Share, wilson
from bench.studies.certify.options import WRONG, CertifyOptions
from bench.studies.clever.results import CleverSetting
from bench.studies.shared.results import SettingResults

BATCH = 20  # images of a cell, unless another number is given


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifySetting:
    """The values that two results must share to be compared.

    Attributes:
        dataset, data: name and sha256 of the evaluation split.
        n: the first n images of its fixed order were looked at.
        pixels: values of an image, all channels together.
        options: method, norm, radii, and what smoothing draws.
        clever: the setting of the CLEVER scores and attacks that stand beside interval bounds.
        protocol, backend: as in the cells.
        batch: images of a cell; a killed run loses at most one such cell.
    """

    dataset: str
    data: str
    n: int
    pixels: int
    options: CertifyOptions
    clever: CleverSetting
    protocol: str
    backend: str
    batch: int = BATCH


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A certificate above a verified attack on the same network: one of the two is wrong; smoothing may be by chance.

    Attributes:
        model, method, image: whose certificate, and the image's index.
        radius, attack: both in pixel units, radius >= attack.
    """

    model: str
    method: str
    image: int
    radius: float
    attack: float

    def __str__(self) -> str:
        return (
            f"{self.model}, image {self.image}: certificate {self.radius:.6g} of {self.method}, "
            f"but a verified attack of size {self.attack:.6g}"
        )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Orbit:
    """The votes on the four quarter turns of each image, each with noise of its own.

    Attributes:
        same_class: images whose four turns have one class chosen.
        p: (n,) p-value that the four turns' votes are of one distribution (χ² of homogeneity).
        spread: (n,) largest less smallest radius; an abstention counts as radius 0.
    """

    same_class: Share
    p: Float64[np.ndarray, " n"]
    spread: Float64[np.ndarray, " n"]

    @property
    def told_apart(self) -> Share:
        """Images whose turns differ at p < 0.001; by chance one in a thousand."""
        return wilson(int((self.p < 0.001).sum()), len(self.p))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CertifyResult:
    """One model's certificates.

    Attributes:
        info: the model.
        label: (n,) labels.
        right: (n,) bool, the network that is certified gives the label; that is the smoothed one under smoothing.
        abstained: (n,) bool, smoothing made no statement; all false for other methods.
        radii: method → (n,) certified radii in pixel units; 0 for images that are wrong or abstained.
        attack: (n,) sizes of the smallest verified attacks on the same network; 0 for images that are shown to be
            wrong, NaN for none.
        clever: (n,) CLEVER scores of the network; ``None`` under smoothing, whose network has no gradient to sample.
        bound, estimate: (n,) the Lipschitz constant of the margin that decides, bounded everywhere and estimated
            nearby; ``None`` under smoothing.
        orbit: smoothing's results on the quarter turns; ``None`` if not requested.
        seconds: time the cells took.
        digest: sha256 over the cells' results.
    """

    info: ModelInfo
    label: Int64[np.ndarray, " n"]
    right: Bool[np.ndarray, " n"]
    abstained: Bool[np.ndarray, " n"]
    radii: Mapping[str, Float64[np.ndarray, " n"]]
    attack: Float64[np.ndarray, " n"]
    clever: Float64[np.ndarray, " n"] | None
    bound: Float64[np.ndarray, " n"] | None
    estimate: Float64[np.ndarray, " n"] | None
    orbit: Orbit | None
    seconds: float
    digest: str

    @property
    def clean(self) -> Share:
        """Images that the certified network is shown to classify correctly."""
        return wilson(int(self.right.sum()), len(self.right))

    @property
    def best(self) -> Float64[np.ndarray, " n"]:
        """(n,) the largest certificate of all methods."""
        return np.max(list(self.radii.values()), axis=0)

    def certified(self, method: str, radius: float) -> Share:
        """Images that are right and certified at a radius: a lower bound of accuracy under any attack there."""
        return self._share(self.radii[method], radius)

    def proven(self, radius: float) -> Share:
        """Images that are right and certified at a radius by any method."""
        return self._share(self.best, radius)

    def _share(self, found: Float64[np.ndarray, " n"], radius: float) -> Share:
        return wilson(int((self.right & (found >= radius)).sum()), len(self.right))

    def standing(self, radius: float) -> Share:
        """Images that no attack found breaks within a radius: an upper bound of that accuracy.

        An image that smoothing abstains on counts until an attack breaks it, as nothing shows that it is wrong.
        """
        return wilson(int((~(self.attack <= radius)).sum()), len(self.right))  # NaN is not broken

    def violated(self, method: str) -> Bool[np.ndarray, " n"]:
        """Images with a certificate at or above a verified attack; a radius of 0 certifies nothing."""
        found = self.radii[method]
        return self.right & (found > 0) & (self.attack <= found)

    def violations(self) -> Iterator[Violation]:
        """Certificates at or above a verified attack, image by image."""
        for method, found in self.radii.items():
            for image in self.violated(method).nonzero()[0]:
                yield Violation(
                    model=self.info.name,
                    method=method,
                    image=int(image),
                    radius=float(found[image]),
                    attack=float(self.attack[image]),
                )

    @property
    def estimates_above(self) -> int:
        """CLEVER scores above the attack: not an error, since CLEVER certifies nothing."""
        return 0 if self.clever is None else int((self.right & (self.clever > self.attack)).sum())

    @property
    def estimates_below(self) -> int:
        """CLEVER scores below the certificate; the true distance is above."""
        return 0 if self.clever is None else int((self.right & (self.clever < self.best)).sum())


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CertifyResults(SettingResults[CertifySetting, CertifyResult]):
    """All models of one setting."""

    def violations(self) -> tuple[Violation, ...]:
        """Of all models."""
        return tuple(each for model in self.models for each in model.violations())

    def by_chance(self, model: CertifyResult) -> int:
        """The most violations of a model that chance explains: more have a probability of 0.001 at most.

        Under smoothing a certificate is wrong with probability α and an attack with a smaller one; bounds are certain.
        """
        alpha = self.setting.options.alpha
        if alpha is None:
            return 0
        from scipy import stats

        return int(stats.binom.isf(0.001, int(model.right.sum()), alpha + WRONG))

    def faults(self) -> tuple[Violation, ...]:
        """The violations of models that have more of them than chance explains."""
        found = ((model, tuple(model.violations())) for model in self.models)
        return tuple(each for model, those in found if len(those) > self.by_chance(model) for each in those)
