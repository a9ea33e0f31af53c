"""Trains a model of the zoo by a recipe and writes its weights, so that the same call gives the same bits.

The images stay one uint8 tensor in memory; each batch becomes float32, channels-last. Every epoch draws its
random numbers from (seed, epoch) alone and ends with a checkpoint, so a run that was killed continues to the
same weights.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
import torch.nn.functional as F
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor, nn

from zoo import checkpoints, registry
from zoo.adversarial import adversarial
from zoo.checkpoints import TrainError
from zoo.data import Dataset
from zoo.entries import Entry, entry
from zoo.models import build
from zoo.recipes import Recipe

__all__ = ["Progress", "TrainError", "Trained", "train"]

SAME = 0.99  # of the predictions must survive rounding to half precision


@dataclass(frozen=True)
class Progress:
    """Where training stands, after each batch; `epoch` and `batch` count from 1.

    `loss` and `accuracy` (a fraction) are running means over the epoch on the batches as trained on,
    adversarial where the recipe says so. `test_accuracy` is on unchanged test images and comes with the
    last batch of an epoch.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    loss: float
    accuracy: float
    test_accuracy: float | None
    seconds_left: float


@dataclass(frozen=True)
class Trained:
    """The weights' record, and how many of `compared` predictions rounding to half precision changed."""

    record: registry.WeightsRecord
    changed: int
    compared: int


@dataclass
class _Run:
    """One training run in progress; `epoch` is the number of epochs that are done."""

    entry: Entry
    recipe: Recipe
    data: Dataset
    model: nn.Module
    optimizer: torch.optim.Optimizer
    device: str
    checkpoint: Path
    fingerprint: str
    epoch: int = 0
    seconds: float = 0.0


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
    """Trains `name` on `dataset`, writes `OUT/<data set>/<name>.safetensors` and `OUT/weights.json`.

    The name written is the architecture's with the tags of `recipe` and `seed` (`baseline_cnn.pgd_at@1`);
    the default seed is that of `name`. On a CPU the same arguments give the same weights bit for bit. The
    checkpoint of a run that was stopped is continued. Adversarial examples are made in eval mode, then learned
    from in train mode. The caller's random state and thread count are put back.

    Raises:
        TrainError: unfit data, another run's checkpoint, a loss that is not finite, an unwritable `out`.
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
            run = _start(wanted, dataset, recipe, device, width, Path(out))
            _epochs(run, test, progress)
            return _finish(run, test, width, threads, Path(out))
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
    known = entry(name)
    base = known.architecture + ("_4" if known.depth == 4 else "")
    return entry(f"{base}.{recipe.name}@{known.seed if seed is None else seed}")


def _start(wanted: Entry, data: Dataset, recipe: Recipe, device: str, width: float | str, out: Path) -> _Run:
    """A fresh run, or the one whose checkpoint is there."""
    torch.manual_seed(wanted.seed)
    model = build(wanted, channels=data.channels, classes=len(data.classes), size=data.size, width=width)
    optimizer = _optimizer(model.to(device), recipe)
    parts = (wanted.name, recipe.fingerprint, data.sha256, width)
    fingerprint = hashlib.sha256(repr(parts).encode()).hexdigest()
    checkpoint = out / data.name / f"{wanted.name}.ckpt"
    try:
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainError(
            f"{checkpoint.parent} cannot be written ({error.strerror}): use another --out"
        ) from error
    run = _Run(wanted, recipe, data, model, optimizer, device, checkpoint, fingerprint)
    kept = checkpoints.read(checkpoint, fingerprint, device)
    if kept:
        model.load_state_dict(kept["model"])
        optimizer.load_state_dict(kept["optimizer"])
        run.epoch, run.seconds = kept["epoch"], kept["seconds"]
    return run


def _optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW; biases and normalisation are not decayed."""
    filters = [value for value in model.parameters() if value.ndim > 1]
    others = [value for value in model.parameters() if value.ndim <= 1]
    groups = [
        {"params": filters, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.peak_lr)


def _epochs(run: _Run, test: Dataset | None, progress: Callable[[Progress], None] | None) -> None:
    pixels, labels = torch.tensor(run.data.pixels), torch.tensor(run.data.labels)
    first, started = run.epoch, time.monotonic()
    for epoch in range(first, run.recipe.epochs):
        began = time.monotonic()
        standing = None
        for standing in _epoch(run, epoch, pixels, labels):
            part = epoch - first + standing.batch / standing.batches
            left = (time.monotonic() - started) / part * (run.recipe.epochs - first - part)
            standing = dataclasses.replace(standing, seconds_left=left)
            if progress and standing.batch < standing.batches:
                progress(standing)
        assert standing is not None
        run.epoch, run.seconds = epoch + 1, run.seconds + time.monotonic() - began
        kept = {"model": run.model.state_dict(), "optimizer": run.optimizer.state_dict()}
        checkpoints.write(run.checkpoint, run.fingerprint, epoch=run.epoch, seconds=run.seconds, **kept)
        if progress:
            accuracy = _accuracy(_predict(run.model, test, run.device), test) if test else None
            progress(dataclasses.replace(standing, test_accuracy=accuracy))


def _epoch(
    run: _Run, epoch: int, pixels: UInt8[Tensor, "n c h w"], labels: Int64[Tensor, " n"]
) -> Iterator[Progress]:
    """One pass over the images in batches of near-equal size."""
    torch.manual_seed(int(hashlib.sha256(f"{run.entry.seed} {epoch}".encode()).hexdigest()[:15], 16))
    batches = math.ceil(len(labels) / run.recipe.batch)
    loss_sum = right = seen = 0.0
    run.model.train()
    for number, chosen in enumerate(torch.randperm(len(labels)).tensor_split(batches)):
        rate = run.recipe.peak_lr * _one_cycle((epoch + number / batches) / run.recipe.epochs)
        for group in run.optimizer.param_groups:
            group["lr"] = rate
        x, y = _batch(pixels[chosen], run), labels[chosen].to(run.device)
        logits = run.model(adversarial(run.model, x, y, run.recipe))
        loss = F.cross_entropy(logits, y)
        if not torch.isfinite(loss):
            raise TrainError(f"the loss is {loss.item()} in epoch {epoch + 1}: lower the recipe's peak_lr")
        run.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        run.optimizer.step()
        seen += len(y)
        loss_sum += loss.item() * len(y)
        right += (logits.argmax(1) == y).sum().item()
        yield Progress(
            epoch + 1, run.recipe.epochs, number + 1, batches, loss_sum / seen, right / seen, None, math.nan
        )


def _one_cycle(part: float) -> float:
    """The learning rate as a fraction of its peak, after this part of all steps."""
    rise = 0.2
    return part / rise if part < rise else 0.5 * (1 + math.cos(math.pi * (part - rise) / (1 - rise)))


def _batch(pixels: UInt8[Tensor, "n c h w"], run: _Run) -> Float32[Tensor, "n c h w"]:
    images = pixels.to(run.device).float().div_(run.data.levels)
    return images.contiguous(memory_format=torch.channels_last)


def _predict(model: nn.Module, data: Dataset, device: str) -> Int64[Tensor, " n"]:
    """Predicted classes in eval mode, int64 (n,); the model's mode is put back."""
    mode = model.training
    model.eval()
    with torch.no_grad():
        parts = [
            model(data.images(first, min(500, len(data) - first)).to(device)).argmax(1).cpu()
            for first in range(0, len(data), 500)
        ]
    model.train(mode)
    return torch.cat(parts)


def _accuracy(predicted: Int64[Tensor, " n"], data: Dataset) -> float:
    return (predicted == data.targets()).double().mean().item()


def _finish(run: _Run, test: Dataset | None, width: float | str, threads: int, out: Path) -> Trained:
    """Rounds to half precision, writes, loads what was written like anyone, and compares its predictions."""
    content = safetensors.torch.save({key: _half(value) for key, value in run.model.state_dict().items()})
    path = run.checkpoint.with_suffix(".safetensors")
    record = _record(run, content, test, width, threads, path)
    registry.write_whole(path, content)
    judged = test or run.data
    loaded = _predict(registry.load_record(record).to(run.device), judged, run.device)
    changed = int((loaded != _predict(run.model, judged, run.device)).sum())
    if changed > (1 - SAME) * len(judged):
        raise TrainError(f"{run.entry.name}: half precision changes {changed} of {len(judged)} predictions")
    record = dataclasses.replace(record, clean_acc=_accuracy(loaded, test) if test else None)
    registry.add(out, record)
    with contextlib.suppress(FileNotFoundError):
        run.checkpoint.unlink()
    return Trained(record, changed, len(judged))


def _half(value: Tensor) -> Tensor:
    return (value.half() if value.is_floating_point() else value).contiguous().cpu()


def _record(
    run: _Run, content: bytes, test: Dataset | None, width: float | str, threads: int, path: Path
) -> registry.WeightsRecord:
    return registry.WeightsRecord(
        name=run.entry.name,
        architecture=run.entry.architecture,
        dataset=run.data.name,
        file=f"{run.data.name}/{path.name}",
        sha256=hashlib.sha256(content).hexdigest(),
        recipe=dataclasses.asdict(run.recipe),
        seed=run.entry.seed,
        epochs=run.recipe.epochs,
        data_sha256=run.data.sha256,
        test_sha256=None if test is None else test.sha256,
        clean_acc=None,
        clean_n=len(test) if test else 0,
        torch=torch.__version__,
        threads=threads,
        device=run.device,
        seconds=round(run.seconds, 1),
        classes=len(run.data.classes),
        channels=run.data.channels,
        size=run.data.size,
        width=width,
        parameters=sum(value.numel() for value in run.model.parameters()),
        path=path,
    )
