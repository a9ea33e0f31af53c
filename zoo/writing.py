"""Writes trained weights, in half precision where predictions allow it; loads them as a user would, and compares."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from jaxtyping import Int64
from torch import Tensor, nn

from zoo import entries, registry
from zoo.checkpoints import TrainError
from zoo.data import Dataset
from zoo.entries import Entry
from zoo.resident import Resident, place
from zoo.training import Run, file_name

SAME = 0.99  # of the predictions must be those of the weights before they were written


@dataclass(frozen=True)
class Trained:
    """The weights' record, and how many of `compared` predictions rounding to half precision changed.

    `single` says that these were too many, so that the weights are written in single precision. With held-out images
    `history` has the accuracy on them after each epoch, a fraction, and `best` is what was written of the epoch in
    which it was highest; `record` is of the last epoch.
    """

    record: registry.WeightsRecord
    changed: int
    compared: int
    single: bool = False
    history: tuple[float, ...] = ()
    best: Trained | None = None


def finish(run: Run, test: Dataset | None, threads: int, out: Path) -> Trained:
    """Writes the last epoch's weights and, with held-out images, the best one's; drops the checkpoint."""
    last, history = _written(run, run.entry, run.epoch, test, threads, out), tuple(run.history)
    if run.best is not None:
        own = run.entry
        named = entries.made(own.architecture, own.depth, own.recipe, own.seed, best=True)
        run.model.load_state_dict(run.best.state)
        best = _written(run, named, run.best.epoch, test, threads, out)
        last = dataclasses.replace(last, history=history, best=best)
    with contextlib.suppress(FileNotFoundError):
        run.checkpoint.unlink()
    return last


def predict(model: nn.Module, images: Resident) -> Int64[Tensor, " n"]:
    """Predicted classes in eval mode, int64 (n,) on the images' device; the model's mode is restored."""
    mode = model.training
    model.eval()
    with torch.no_grad():
        parts = [
            model(images.images(slice(first, first + 500))).argmax(1) for first in range(0, len(images), 500)
        ]
    model.train(mode)
    return torch.cat(parts)


def share_right(predicted: Int64[Tensor, " n"], images: Resident) -> float:
    return (predicted == images.labels).double().mean().item()


def _written(run: Run, named: Entry, epoch: int, test: Dataset | None, threads: int, out: Path) -> Trained:
    """Writes the model's present state, which is that after `epoch`, under a name, with its record."""
    judged = place(test or run.data, run.device)
    before = predict(run.model, judged)
    allowed = (1 - SAME) * len(judged)

    def write(single: bool) -> tuple[registry.WeightsRecord, int]:
        state = {key: _stored(value, single) for key, value in run.model.state_dict().items()}
        content = safetensors.torch.save(state)
        path = run.checkpoint.with_name(f"{file_name(named.name)}.safetensors")
        record = _record(run, named, epoch, content, test, threads, path)
        registry.write_whole(path, content)
        made = registry.load_record(record) if run.build is None else registry.load_into(run.build(), record)
        loaded = predict(made.to(run.device), judged)
        record = dataclasses.replace(record, clean_acc=share_right(loaded, judged) if test else None)
        return record, int((loaded != before).sum())

    record, changed = write(single=False)
    single = changed > allowed
    if single:
        record, differ = write(single=True)
        if differ > allowed:
            raise TrainError(
                f"{named.name}: written and loaded again, its weights change {differ} of {len(judged)} predictions; "
                "the network must be built the same way each time"
            )
    registry.add(out, record)
    return Trained(record, changed, len(judged), single)


def _stored(value: Tensor, single: bool) -> Tensor:
    half = value.is_floating_point() and not single
    return (value.half() if half else value).contiguous().cpu()


def _record(
    run: Run, named: Entry, epoch: int, content: bytes, test: Dataset | None, threads: int, path: Path
) -> registry.WeightsRecord:
    return registry.WeightsRecord(
        name=named.name,
        architecture=named.architecture,
        dataset=run.data.name,
        file=f"{run.data.name}/{path.name}",
        sha256=hashlib.sha256(content).hexdigest(),
        recipe=run.recipe.row,
        seed=named.seed,
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
        width=run.width,
        parameters=sum(value.numel() for value in run.model.parameters()),
        epoch=epoch if run.history else None,
        held_out_acc=run.history[epoch - 1] if run.history else None,
        path=path,
    )
