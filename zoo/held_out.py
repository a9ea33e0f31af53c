"""Held-out training images: chooses them, and measures a model's accuracy on them.

Adversarial training overfits: robust accuracy on images it was not trained on peaks and then falls (Rice et al. 2020,
"Overfitting in adversarially robust deep learning"). Held-out images show the best epoch.
"""

from __future__ import annotations

import hashlib

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor, nn

from zoo.adversarial import attack
from zoo.checkpoints import TrainError
from zoo.recipes import Recipe
from zoo.spatial import drawn, moved

BATCH = 500
SEED = 0  # of angles and starts, the same after every epoch, so that epochs differ in the weights alone


def split(labels: Int64[Tensor, " n"], share: float) -> tuple[Int64[Tensor, " kept"], Int64[Tensor, " held"]]:
    """Places of the images trained on and of those held out, both ascending.

    Of every class the share is held out, rounded to whole images: those whose places have the smallest
    sha256. So the draw depends on the labels and the share alone, and a larger share holds out a smaller
    one's images too.

    Raises:
        TrainError: nothing would be held out, or nothing left to train on.
    """
    if share == 0:
        return torch.arange(len(labels)), torch.arange(0)
    held: list[int] = []
    for kind in labels.unique():
        places = sorted((labels == kind).nonzero().flatten().tolist(), key=_rank)
        held += places[: int(share * len(places) + 0.5)]
    if not 0 < len(held) < len(labels):
        raise TrainError(
            f"held_out {share:g} holds out {len(held)} of {len(labels)} images: use a share that leaves some of both"
        )
    apart = torch.zeros(len(labels), dtype=torch.bool)
    apart[held] = True
    return (~apart).nonzero().flatten(), apart.nonzero().flatten()


def accuracy(
    model: nn.Module,
    pixels: UInt8[Tensor, "n c h w"],
    labels: Int64[Tensor, " n"],
    recipe: Recipe,
    levels: int,
    device: str,
) -> float:
    """The share of images that are classified rightly under the recipe's last stage, in eval mode.

    Images are turned as in that stage and then attacked by PGD at its ε with the recipe's steps, in the end against the
    true labels whatever the loss. Draws are the same in every call; they change torch's random state.
    """
    last = recipe.at(recipe.epochs)
    torch.manual_seed(SEED)
    mode, right = model.training, torch.zeros((), dtype=torch.int64, device=device)
    model.eval()
    for shard, y in zip(pixels.split(BATCH), labels.split(BATCH), strict=True):
        x, y = shard.to(device).float().div_(levels), y.to(device)
        if last.rotation:
            x = moved(x, drawn(None, len(x), last.rotation, x.device))
        x = x.contiguous(memory_format=torch.channels_last)
        if last.eps:
            x = attack(model, x, y, recipe, last.eps)
        with torch.no_grad():
            right += (model(x).argmax(1) == y).sum()
    model.train(mode)
    return right.item() / len(labels)


def _rank(place: int) -> str:
    return hashlib.sha256(f"held out {place}".encode()).hexdigest()
