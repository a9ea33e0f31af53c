"""Attacks run by the Adversarial Robustness Toolbox (ART).

What this file works around in ART 1.20: importing it writes into the home folder (see ``art_home``), and its
classifiers hook into a plain ``nn.Sequential``, so they are given the model inside a module of ours.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from bench.attacks.art_home import load_art
from bench.attacks.losses import keep_reached, reached
from bench.attacks.torchattacks_model import class_count
from bench.errors import CellError

__all__ = ["cw"]


def cw(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    *,
    norm: str,
    steps: int,
    target: Int64[Tensor, " n"] | None = None,
) -> Float[Tensor, "n c h w"]:
    """Carlini & Wagner (2017) in L∞: Adam on what exceeds a bound τ, plus a constant times the margin.

    For each τ the constant doubles from 1e-5 to 10; then τ becomes 0.9 of the smallest change found, until nothing
    nearer is found. Images are attacked one by one, with 21 constants for every τ.

    Args:
        model: classifier of images in [0, 1], in eval mode with frozen parameters.
        x: images (n, c, h, w), float32 in [0, 1].
        y: labels (n,), int64.
        norm: ``linf``.
        steps: steps of Adam for each constant, of 0.01 in the space of tanh; a pixel moves by at most 0.005 in each,
            so 30 steps find nothing farther than 0.15.
        target: (n,) int64, the class each image is to be taken for; ``None`` for any wrong one.

    Returns:
        Images of the shape of ``x`` in [0, 1]: broken ones, near ``x``; the clean image where none was found.

    Raises:
        CellError: another norm.
    """
    if norm != "linf":
        raise CellError(
            f"ART adapter has no Carlini & Wagner attack in norm {norm}; use foolbox:cw in norm l2"
        )
    method = load_art("art.attacks.evasion").CarliniLInfMethod
    attack = method(_classifier(model, x), max_iter=steps, targeted=target is not None, verbose=False)
    labels = (y if target is None else target).cpu().numpy()
    found = torch.from_numpy(attack.generate(x.cpu().numpy(), labels)).to(x).clamp(0, 1)
    with torch.no_grad():
        return keep_reached(found, reached(model(found), y, target), x)


class _Inside(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Float[Tensor, "n c h w"]) -> Tensor:
        return self.model(x)


def _classifier(model: nn.Module, x: Float[Tensor, "n c h w"]) -> Any:
    return load_art("art.estimators.classification").PyTorchClassifier(
        model=_Inside(model),
        loss=nn.CrossEntropyLoss(),
        input_shape=tuple(x.shape[1:]),
        nb_classes=class_count(model, x),
        clip_values=(0.0, 1.0),
        preprocessing=None,
        device_type="gpu" if x.device.type == "cuda" else "cpu",
    )
