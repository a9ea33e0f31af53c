"""Trains a model of the zoo by a recipe and writes its weights, so that the same call gives the same bits.

The images stay one uint8 tensor on the device; each batch becomes float32, channels-last. Every epoch draws its random
numbers from (seed, epoch) alone and ends with a checkpoint, so a run that was killed continues to the same weights.
Within an epoch nothing is read back from the device, except a check every few seconds that the loss is finite: a host
that waits after every step leaves the GPU idle most of the time.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn

from zoo import entries, held_out
from zoo.checkpoints import TrainError
from zoo.data import Dataset
from zoo.entries import Entry
from zoo.losses import learned
from zoo.progress import Progress, Sums
from zoo.proxy import Proxy
from zoo.recipes import Recipe
from zoo.resident import Resident, place
from zoo.spatial import drawn, moved
from zoo.training import CURVE, Run, start
from zoo.writing import Trained, finish, predict, share_right

__all__ = ["Progress", "TrainError", "Trained", "train"]

LOOK = 5.0  # seconds between checks of the loss within an epoch


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
    build: Callable[[], nn.Module] | None = None,
) -> Trained:
    """Trains `name` on `dataset`, writes `OUT/<data set>/<name>.safetensors` and `OUT/weights.json`, and the
    learning curve, a row an epoch (columns as the fields of `Progress`), to `OUT/<data set>/<name>.csv`.

    The name written is the architecture's with the tags of `recipe`, which may be one's own, and `seed`
    (`baseline_cnn.pgd_at@1`); the default seed is that of `name`. If the recipe holds images out, the weights of the
    epoch that did best on them are written too (`baseline_cnn.cusp-best@1`). On a CPU the same arguments give the same
    weights bit for bit. The checkpoint of a run that was stopped is continued. The caller's random state and thread
    count are restored.

    `build` makes an architecture of one's own, a classifier of (n, c, h, w) in [0, 1], from torch's global random
    state; `name` is then `file:function`, and `width` does not matter.

    Raises:
        TrainError: unfit data, another run's checkpoint, a loss that is not finite, an unwritable `out`, a
            held-out share that leaves nothing.
        UnknownModel: no such name.
    """
    if epochs is not None:
        recipe = dataclasses.replace(recipe, epochs=epochs)
    _check(dataset, test, recipe)
    if build is None:
        _check_shape(dataset)
        wanted = _named(name, recipe, seed)
    else:
        wanted = entries.made(name, 0, recipe.name, seed or 0)
    before = torch.get_num_threads()
    cuda = [torch.device(device)] if torch.device(device).type == "cuda" else []
    with torch.random.fork_rng(cuda):
        try:
            torch.set_num_threads(threads)
            run = start(wanted, dataset, recipe, device, width, Path(out), build)
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


def _check_shape(data: Dataset) -> None:
    """Raises TrainError for images that do not go through every model of the zoo."""
    height, width = data.pixels.shape[2:]
    if height != width or height < 16 or height % 8:
        raise TrainError(
            f"the images of {data.name} are {width}×{height}, but the zoo's models take square ones of 16 or more "
            "pixels a side, divisible by 8: use --resize 32, or train a model of your own"
        )


def _named(name: str, recipe: Recipe, seed: int | None) -> Entry:
    known = entries.parsed(name)
    return entries.made(known.architecture, known.depth, recipe.name, known.seed if seed is None else seed)


def _epochs(run: Run, test: Dataset | None, progress: Callable[[Progress], None] | None) -> None:
    kept, held = held_out.split(torch.tensor(run.data.labels), run.recipe.held_out)
    images, judged = place(run.data, run.device), place(test, run.device) if test else None
    apart = Resident(images.pixels[held.to(run.device)], images.labels[held.to(run.device)], images.levels)
    first, started = run.epoch, time.monotonic()
    for epoch in range(first + 1, run.recipe.epochs + 1):
        began = time.monotonic()
        standing = None
        for standing in _epoch(run, epoch, images, kept):
            part = epoch - 1 - first + standing.batch / standing.batches
            left = (time.monotonic() - started) / part * (run.recipe.epochs - first - part)
            standing = dataclasses.replace(standing, seconds_left=left)
            if progress and standing.batch < standing.batches:
                progress(standing)
        assert standing is not None
        run.epoch = epoch
        if len(held):
            run.learn_of(_held_out_accuracy(run, apart))
        run.seconds += time.monotonic() - began
        accuracy = share_right(predict(run.model, judged), judged) if judged else None
        robust = run.history[-1] if run.history else None
        standing = dataclasses.replace(standing, test_accuracy=accuracy, held_out=robust)
        run.curve.append({key: getattr(standing, key) for key in CURVE})
        run.keep()
        if progress:
            progress(standing)


def _epoch(run: Run, epoch: int, images: Resident, kept: Int64[Tensor, " kept"]) -> Iterator[Progress]:
    """One pass, counted from 1, over the images of these places in batches of near-equal size."""
    torch.manual_seed(_seed(f"{run.entry.seed} {epoch - 1}"))
    order = kept[torch.randperm(len(kept))].to(run.device)
    batches = math.ceil(len(kept) / run.recipe.batch)
    sums, looked, proxy = Sums.none(run.device), time.monotonic(), Proxy(run.model, run.recipe.proxy)
    run.model.train()
    for number, places in enumerate(order.tensor_split(batches)):
        now = run.recipe.at(epoch, number / batches)
        for group in run.optimizer.param_groups:
            group["lr"] = run.recipe.peak_lr * now.rate
        x, y = _batch(images, places, now.rotation, run.recipe.noise), images.labels[places]
        loss, logits = learned(run.model, x, y, run.recipe, now.eps, proxy.recall)
        run.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        run.optimizer.step()
        proxy.answer()
        sums = sums.plus(loss, logits, y)
        if number + 1 == batches or time.monotonic() - looked > LOOK:
            sums.check(epoch)
            looked = time.monotonic()
        yield Progress(
            epoch=epoch,
            epochs=run.recipe.epochs,
            batch=number + 1,
            batches=batches,
            sums=sums,
            test_accuracy=None,
            seconds_left=math.nan,
            stage=now.stage,
            rotation=now.rotation,
            eps=now.eps,
        )


def _seed(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest()[:15], 16)


def _batch(
    images: Resident, places: Int64[Tensor, " n"], rotation: float, noise: float
) -> Float32[Tensor, "n c h w"]:
    """The images at these places in [0, 1], each turned by an angle of its own, with noise of its own."""
    x = images.images(places)
    if rotation:
        x = moved(x, drawn(None, len(x), rotation, x.device))
    if noise:
        x = x + noise * torch.randn_like(x)
    return x.contiguous(memory_format=torch.channels_last)


def _held_out_accuracy(run: Run, apart: Resident) -> float:
    return held_out.accuracy(run.model, apart.pixels, apart.labels, run.recipe, run.data.levels, run.device)
