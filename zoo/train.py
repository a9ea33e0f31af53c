"""Trains a model of the zoo by a recipe and writes its weights, so that the same call gives the same bits.

The images stay one uint8 tensor in memory; each batch becomes float32, channels-last. Every epoch draws its
random numbers from (seed, epoch) alone and ends with a checkpoint, so a run that was killed continues to the
same weights.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from zoo import entries, held_out
from zoo.checkpoints import TrainError
from zoo.data import Dataset
from zoo.entries import Entry
from zoo.losses import learned
from zoo.recipes import Recipe
from zoo.spatial import drawn, moved
from zoo.training import CURVE, Run, start
from zoo.writing import Trained, finish, predict, share_right

__all__ = ["Progress", "TrainError", "Trained", "train"]


@dataclass(frozen=True)
class Progress:
    """Where training stands, after each batch; `epoch` and `batch` count from 1.

    `loss` and `accuracy` (a fraction) are running means over the epoch on the batches as trained on,
    turned and adversarial where the recipe says so, in its `stage` (from 1) with this `rotation` and `eps`.
    `test_accuracy` is on unchanged test images, `held_out` on the held-out ones under the last stage; both
    come with the last batch of an epoch.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    loss: float
    accuracy: float
    test_accuracy: float | None
    seconds_left: float
    stage: int
    rotation: float
    eps: float
    held_out: float | None = None


def train(
    name: str,
    dataset: Dataset,
    *,
    test: Dataset | None,
    recipe: Recipe,
    out: Path,
    seed: int | None = None,
    threads: int = 1,
    device: str = "cpu",
    epochs: int | None = None,
    width: float | str = 1.0,
    progress: Callable[[Progress], None] | None = None,
) -> Trained:
    """Trains `name` on `dataset`, writes `OUT/<data set>/<name>.safetensors` and `OUT/weights.json`, and the
    learning curve, a row an epoch (columns as the fields of `Progress`), to `OUT/<data set>/<name>.csv`.

    The name written is the architecture's with the tags of `recipe`, which may be one's own, and `seed`
    (`baseline_cnn.pgd_at@1`); the default seed is that of `name`. If the recipe holds images out, the weights
    of the epoch that did best on them are written too (`baseline_cnn.cusp-best@1`). On a CPU the same
    arguments give the same weights bit for bit. The checkpoint of a run that was stopped is continued. The
    caller's random state and thread count are put back.

    Raises:
        TrainError: unfit data, another run's checkpoint, a loss that is not finite, an unwritable `out`, a
            held-out share that leaves nothing.
        UnknownModel: no such name.
    """
    if epochs is not None:
        recipe = dataclasses.replace(recipe, epochs=epochs)
    _check(dataset, test, recipe)
    wanted = _named(name, recipe, seed)
    before = torch.get_num_threads()
    cuda = [torch.device(device)] if torch.device(device).type == "cuda" else []
    with torch.random.fork_rng(cuda):
        try:
            torch.set_num_threads(threads)
            run = start(wanted, dataset, recipe, device, width, Path(out))
            _epochs(run, test, progress)
            return finish(run, test, threads, Path(out))
        finally:
            torch.set_num_threads(before)


def _check(data: Dataset, test: Dataset | None, recipe: Recipe) -> None:
    if recipe.epochs < 1:
        raise TrainError(f"{recipe.epochs} epochs: train for at least one")
    if test is not None and (test.pixels.shape[1:], test.classes) != (data.pixels.shape[1:], data.classes):
        raise TrainError(
            f"the train and test images of {data.name} differ in shape or classes: "
            f"{data.pixels.shape[1:]} and {test.pixels.shape[1:]}, {data.classes} and {test.classes}"
        )


def _named(name: str, recipe: Recipe, seed: int | None) -> Entry:
    known = entries.parsed(name)
    return entries.made(known.architecture, known.depth, recipe.name, known.seed if seed is None else seed)


def _epochs(run: Run, test: Dataset | None, progress: Callable[[Progress], None] | None) -> None:
    pixels, labels = torch.tensor(run.data.pixels), torch.tensor(run.data.labels)
    kept, held = held_out.split(labels, run.recipe.held_out)
    first, started = run.epoch, time.monotonic()
    for epoch in range(first + 1, run.recipe.epochs + 1):
        began = time.monotonic()
        standing = None
        for standing in _epoch(run, epoch, pixels, labels, kept):
            part = epoch - 1 - first + standing.batch / standing.batches
            left = (time.monotonic() - started) / part * (run.recipe.epochs - first - part)
            standing = dataclasses.replace(standing, seconds_left=left)
            if progress and standing.batch < standing.batches:
                progress(standing)
        assert standing is not None
        run.epoch = epoch
        if len(held):
            run.learn_of(_held_out_accuracy(run, pixels[held], labels[held]))
        run.seconds += time.monotonic() - began
        accuracy = share_right(predict(run.model, test, run.device), test) if test else None
        robust = run.history[-1] if run.history else None
        standing = dataclasses.replace(standing, test_accuracy=accuracy, held_out=robust)
        run.curve.append({key: getattr(standing, key) for key in CURVE})
        run.keep()
        if progress:
            progress(standing)


def _epoch(
    run: Run,
    epoch: int,
    pixels: UInt8[Tensor, "n c h w"],
    labels: Int64[Tensor, " n"],
    kept: Int64[Tensor, " kept"],
) -> Iterator[Progress]:
    """One pass, counted from 1, over the images of these places in batches of near-equal size."""
    torch.manual_seed(_seed(f"{run.entry.seed} {epoch - 1}"))
    batches = math.ceil(len(kept) / run.recipe.batch)
    loss_sum = right = seen = 0.0
    run.model.train()
    for number, places in enumerate(torch.randperm(len(kept)).tensor_split(batches)):
        now = run.recipe.at(epoch, number / batches)
        for group in run.optimizer.param_groups:
            group["lr"] = run.recipe.peak_lr * now.rate
        chosen = kept[places]
        x, y = _batch(pixels[chosen], run, now.rotation), labels[chosen].to(run.device)
        loss, logits = learned(run.model, x, y, run.recipe, now.eps)
        if not torch.isfinite(loss):
            raise TrainError(f"the loss is {loss.item()} in epoch {epoch}: lower the recipe's peak_lr")
        run.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        run.optimizer.step()
        seen += len(y)
        loss_sum += loss.item() * len(y)
        right += (logits.argmax(1) == y).sum().item()
        yield Progress(
            epoch=epoch,
            epochs=run.recipe.epochs,
            batch=number + 1,
            batches=batches,
            loss=loss_sum / seen,
            accuracy=right / seen,
            test_accuracy=None,
            seconds_left=math.nan,
            stage=now.stage,
            rotation=now.rotation,
            eps=now.eps,
        )


def _seed(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest()[:15], 16)


def _batch(pixels: UInt8[Tensor, "n c h w"], run: Run, rotation: float) -> Float32[Tensor, "n c h w"]:
    """The images in [0, 1], each turned by an angle of its own."""
    images = pixels.to(run.device).float().div_(run.data.levels)
    if rotation:
        images = moved(images, drawn(None, len(images), rotation))
    return images.contiguous(memory_format=torch.channels_last)


def _held_out_accuracy(run: Run, pixels: UInt8[Tensor, "n c h w"], labels: Int64[Tensor, " n"]) -> float:
    return held_out.accuracy(run.model, pixels, labels, run.recipe, run.data.levels, run.device)
