"""The model and the criterion of success, as foolbox's classes.

What this file works around, all in foolbox 3.3.4: models are moved to the first GPU unless a device is
given; bounds are asserted without a message, so they are fixed at [0, 1], which the harness has checked; a
NaN counts as the largest logit, so an image whose label comes first would count as rightly classified.
"""

from __future__ import annotations

from typing import Any

import eagerpy as ep
import foolbox
import torch
from jaxtyping import Int64
from torch import Tensor, nn

from bench.attacks.losses import broken

Found = type[foolbox.Misclassification]


def wrapped(model: nn.Module, device: torch.device) -> foolbox.PyTorchModel:
    """The model wrapped for foolbox: images in [0, 1], on their own device."""
    return foolbox.PyTorchModel(model, bounds=(0, 1), device=device)


class Broken(foolbox.Misclassification):
    """An image is adversarial if the judge counts it as broken: misclassified, or with logits that are not finite."""

    def __call__(self, perturbed: Any, outputs: Any) -> Any:
        logits, restore_type = ep.astensor_(outputs)
        return restore_type(ep.astensor(broken(logits.raw, self.labels.raw)))


class Misclassified(foolbox.Misclassification):
    """An image is adversarial if its class is wrong and its logits are finite."""

    def __call__(self, perturbed: Any, outputs: Any) -> Any:
        logits, restore_type = ep.astensor_(outputs)
        finite = torch.isfinite(logits.raw).all(dim=1)
        return restore_type(ep.astensor(broken(logits.raw, self.labels.raw) & finite))


class Reached(foolbox.TargetedMisclassification):
    """An image is adversarial if its class is the target and its logits are finite."""

    def __call__(self, perturbed: Any, outputs: Any) -> Any:
        logits, restore_type = ep.astensor_(outputs)
        finite = torch.isfinite(logits.raw).all(dim=1)
        return restore_type(ep.astensor((logits.raw.argmax(dim=1) == self.target_classes.raw) & finite))


def goal_of(
    y: Int64[Tensor, " n"], target: Int64[Tensor, " n"] | None, criterion: Found = Broken
) -> foolbox.criteria.Criterion:
    """The criterion of success: that of the labels, or with targets (n,) that of reaching them."""
    return criterion(y) if target is None else Reached(target)
