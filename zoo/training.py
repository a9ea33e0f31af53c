"""One training run in progress, with its checkpoint after every epoch."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo import checkpoints
from zoo.checkpoints import TrainError
from zoo.data import Dataset
from zoo.entries import Entry
from zoo.models import build
from zoo.recipes import Recipe
from zoo.registry import write_whole

Build = Callable[[], nn.Module]
CURVE: tuple[str, ...] = ("epoch", "stage", "loss", "accuracy", "test_accuracy", "held_out")


@dataclass(frozen=True)
class Best:
    """The epoch, from 1, that did best on the held-out images, and the model's state after it."""

    epoch: int
    state: dict[str, Tensor]


@dataclass
class Run:
    """`epoch` is the number of epochs that are done; `history` the held-out accuracy after each of them, and
    `curve` a row of numbers each, as in `CURVE`. `build` makes an architecture of one's own; None for the zoo's."""

    entry: Entry
    recipe: Recipe
    data: Dataset
    model: nn.Module
    optimizer: torch.optim.Optimizer
    device: str
    width: float | str
    checkpoint: Path
    fingerprint: str
    build: Build | None = None
    epoch: int = 0
    seconds: float = 0.0
    history: list[float] = field(default_factory=list)
    best: Best | None = None
    curve: list[dict[str, float | None]] = field(default_factory=list)

    def learn_of(self, held_out: float) -> None:
        """Takes the held-out accuracy after the epoch just done; the first of equal epochs is the best."""
        if not self.history or held_out > max(self.history):
            state = {key: value.clone() for key, value in self.model.state_dict().items()}
            self.best = Best(self.epoch, state)
        self.history.append(held_out)

    def keep(self) -> None:
        """Writes the learning curve, a CSV beside the weights, and the checkpoint."""
        text = io.StringIO()
        table = csv.DictWriter(text, CURVE, lineterminator="\n")
        table.writeheader()
        table.writerows(self.curve)
        write_whole(self.checkpoint.with_suffix(".csv"), text.getvalue().encode())
        kept: dict[str, Any] = {"epoch": self.epoch, "seconds": self.seconds, "curve": self.curve}
        kept |= {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        if self.best is not None:
            kept |= {"history": self.history, "best": {"epoch": self.best.epoch, "state": self.best.state}}
        checkpoints.write(self.checkpoint, self.fingerprint, **kept)


def start(
    wanted: Entry,
    data: Dataset,
    recipe: Recipe,
    device: str,
    width: float | str,
    out: Path,
    own: Build | None = None,
) -> Run:
    """A fresh run, or the one whose checkpoint is there. Raises TrainError: another's, or `out` unwritable."""
    torch.manual_seed(wanted.seed)
    if own is None:
        model = build(wanted, channels=data.channels, classes=len(data.classes), size=data.size, width=width)
    else:
        model = own()
    optimizer = _optimizer(model.to(device), recipe, _fused(device))
    shapes = [] if own is None else [(key, value.shape) for key, value in model.state_dict().items()]
    parts = (wanted.name, recipe.fingerprint, data.sha256, width, *shapes)
    fingerprint = hashlib.sha256(repr(parts).encode()).hexdigest()
    checkpoint = out / data.name / f"{file_name(wanted.name)}.ckpt"
    try:
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainError(
            f"{checkpoint.parent} cannot be written ({error.strerror}): use another --out"
        ) from error
    run = Run(wanted, recipe, data, model, optimizer, device, width, checkpoint, fingerprint, own)
    kept = checkpoints.read(checkpoint, fingerprint, device)
    if kept:
        model.load_state_dict(kept["model"])
        for group in kept["optimizer"]["param_groups"]:
            group["fused"] = _fused(device)  # it may come from another device
        optimizer.load_state_dict(kept["optimizer"])
        run.epoch, run.seconds, run.curve = kept["epoch"], kept["seconds"], kept.get("curve", [])
        if "best" in kept:
            run.history, run.best = kept["history"], Best(**kept["best"])
    return run


def file_name(name: str) -> str:
    """The name of a model's files, without characters that a path must not have."""
    return name.replace(":", "-").replace("/", "-")


def _fused(device: str) -> bool | None:
    """On a GPU AdamW is one kernel that counts its steps there; the plain one would read the count each time."""
    return True if torch.device(device).type == "cuda" else None


def _optimizer(model: nn.Module, recipe: Recipe, fused: bool | None) -> torch.optim.Optimizer:
    """AdamW; biases and normalisation are not decayed."""
    filters = [value for value in model.parameters() if value.ndim > 1]
    others = [value for value in model.parameters() if value.ndim <= 1]
    groups = [
        {"params": filters, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.peak_lr, fused=fused)
