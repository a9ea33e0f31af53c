"""A detector of attacked images, made from clean ones only: it compares a model's layers with its output.

After "A Few Large Shifts" (arXiv 2505.12586): an attack changes a few layers much, so that layers that agree on clean
images no longer agree. That paper reconstructs inner layers from the last one and looks at augmented images too; here
every layer has a linear probe of the model's own logits, and the disagreement is a divergence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64
from torch import Tensor, nn

from bench.errors import CellError
from bench.studies.detect.features import Features, features

RIDGE = 0.1  # weight of a probe's squared coefficients, for standardised features and each image
FLOOR = 1e-6  # smallest standard deviation to divide by


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """Logits read from a layer: ((features − centre) / spread) · weight + offset."""

    centre: Float[Tensor, " d"]
    spread: Float[Tensor, " d"]
    weight: Float[Tensor, "d classes"]
    offset: Float[Tensor, " classes"]

    def __call__(self, seen: Features) -> Float[Tensor, "n classes"]:
        return (seen - self.centre) / self.spread @ self.weight + self.offset


def fitted(seen: Features, logits: Float[Tensor, "n classes"]) -> Probe:
    """The ridge regression of the logits on a layer's features."""
    values, told = seen.double(), logits.double()
    centre, spread = values.mean(0), values.std(0, correction=0).clamp_min(FLOOR)
    z, offset = (values - centre) / spread, told.mean(0)
    square = z.T @ z + RIDGE * len(z) * torch.eye(z.shape[1], dtype=z.dtype, device=z.device)
    weight = torch.linalg.solve(square, z.T @ (told - offset))
    return Probe(*(each.to(seen.dtype) for each in (centre, spread, weight, offset)))


@dataclass(frozen=True, slots=True, eq=False)
class Detector:
    """Flags an image whose score is above ``threshold``.

    Attributes:
        probes: of the layers, in order.
        mean, spread: of each layer's disagreement on clean images, (layers,).
        threshold: of the score, which is the mean of the standardised disagreements.
    """

    probes: tuple[Probe, ...]
    mean: Float[Tensor, " layers"]
    spread: Float[Tensor, " layers"]
    threshold: float

    def ask(
        self, model: nn.Module, x: Float[Tensor, "n c h w"]
    ) -> tuple[Float[Tensor, "n classes"], Float[Tensor, " n"]]:
        """Logits and scores of images; both may be differentiated."""
        logits, seen = features(model, x)
        if len(seen) != len(self.probes):
            raise CellError(f"the model ran {len(seen)} layers of {len(self.probes)} on other images")
        return logits, self.score(logits, seen)

    def score(self, logits: Float[Tensor, "n classes"], seen: Sequence[Features]) -> Float[Tensor, " n"]:
        return ((disagreements(self.probes, logits, seen) - self.mean) / self.spread).mean(1)


def disagreements(
    probes: tuple[Probe, ...], logits: Float[Tensor, "n classes"], seen: Sequence[Features]
) -> Float[Tensor, "n layers"]:
    """KL(the model's probabilities ‖ those of each layer's probe) in nats."""
    told = F.log_softmax(logits, dim=1)
    heard = [F.log_softmax(probe(each), dim=1) for probe, each in zip(probes, seen, strict=True)]
    return torch.stack([(told.exp() * (told - each)).sum(1) for each in heard], dim=1)


@torch.no_grad()
def calibrated(model: nn.Module, x: Float[Tensor, "n c h w"], false_positives: float) -> Detector:
    """The detector of a model from clean images (at least 4): even ones fit the probes, odd ones set the threshold.

    Args:
        model: classifier in eval mode.
        x: clean images that nothing is measured on.
        false_positives: share of the odd ones that is flagged at most.

    Raises:
        CellError: the model has no layer whose output can be seen.
    """
    logits, seen = features(model, x)
    if not seen:
        raise CellError("the model has no inner layers that a detector could look at")
    probes = tuple(fitted(each[::2], logits[::2]) for each in seen)
    found = disagreements(probes, logits[1::2], [each[1::2] for each in seen])
    mean, spread = found.mean(0), found.std(0, correction=0).clamp_min(FLOOR)
    scores = ((found - mean) / spread).mean(1)
    return Detector(probes, mean, spread, _threshold(scores.double(), false_positives))


def _threshold(scores: Float64[Tensor, " n"], false_positives: float) -> float:
    """The smallest score that at most this share of the scores is above."""
    above = int(false_positives * len(scores))
    return float(scores.sort(descending=True).values[above])
