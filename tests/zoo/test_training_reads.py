"""Training does not wait for its device: ``meta`` stands in for a GPU, and every copy from and to it is counted."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tests.staged import STAGED, TRAIN, Killed, files, run
from zoo import held_out, losses, train, training
from zoo.entries import entry
from zoo.models import build
from zoo.progress import Progress
from zoo.recipes import Recipe, recipe
from zoo.resident import Resident
from zoo.training import Run


class Traffic(TorchDispatchMode):
    """Counts numbers read from `meta` tensors, each of which is answered with 1, and copies between devices."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = self.copies = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {each.device.type for each in args if isinstance(each, Tensor)}
        if func is torch.ops.aten._local_scalar_dense.default and given == {"meta"}:
            self.reads += 1
            return 1.0
        made = func(*args, **(kwargs or {}))
        if func in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default):
            self.copies += len(given | {made.device.type}) == 2
        return made


@pytest.fixture(autouse=True)
def no_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Autocast knows no `meta`."""
    monkeypatch.setattr(losses.torch, "autocast", lambda *given, **options: contextlib.nullcontext())


def on_meta(name: str, ours: Recipe) -> Run:
    with torch.device("meta"):
        model = build(name, channels=1, size=16)
    optimizer = training._optimizer(model, ours, None)
    return Run(entry(name), ours, TRAIN, model, optimizer, "meta", 1.0, Path("none"), "none")


def images(count: int) -> Resident:
    labels = torch.zeros(count, dtype=torch.int64, device="meta")
    return Resident(torch.zeros(count, 1, 16, 16, dtype=torch.uint8, device="meta"), labels, 16)


@pytest.mark.parametrize(
    ("name", "by"),
    [
        ("baseline_cnn_4", "standard"),
        ("baseline_cnn_4", "trades"),
        ("equivariant_gcnn_4", "rotate180+pgd_at"),
        ("weighted_gcnn_rs_4", "fgsm_mix"),
        ("parallel_gcnn_scale_4", "cusp"),
    ],
)
def test_an_epoch_sends_its_order_and_reads_its_loss_once(
    name: str, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "LOOK", float("inf"))  # however slow this machine is
    ours = dataclasses.replace(recipe(by, 16), steps=min(recipe(by, 16).steps, 2))
    steps = train._epoch(on_meta(name, ours), 2, images(3 * 128), torch.arange(3 * 128))
    found = []
    for _ in range(3):
        with Traffic() as traffic:
            last = next(steps)
        found.append((traffic.reads, traffic.copies))
    assert found == [(0, 1), (0, 0), (1, 0)]  # the order of the images; that the loss is finite
    with Traffic() as traffic:
        assert (last.loss, last.accuracy) == (1 / 384, 1 / 384)
    assert traffic.reads == 2


def test_a_long_epoch_is_looked_at_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "time", SimpleNamespace(monotonic=iter(range(0, 1000, 2)).__next__))
    steps = train._epoch(
        on_meta("baseline_cnn_4", recipe("standard", 16)), 1, images(1280), torch.arange(1280)
    )
    found = []
    for _ in range(10):
        with Traffic() as traffic:
            next(steps)
        found.append(traffic.reads)
    assert found == [0, 0, 1, 0, 0, 1, 0, 0, 1, 1]


def test_held_out_accuracy_is_read_once() -> None:
    model, apart = on_meta("parallel_gcnn_rs_4", STAGED).model, images(1200)
    with Traffic() as traffic:
        told = held_out.accuracy(model, apart.pixels, apart.labels, STAGED, 16, "meta")
    assert (told, traffic.reads, traffic.copies) == (1 / 1200, 1, 0)


@pytest.mark.parametrize("fused", [None, True])
def test_a_checkpoint_of_another_device_goes_on_with_the_optimizer_of_this_one(
    tmp_path: Path, fused: bool | None
) -> None:
    """On a GPU AdamW is fused: the plain one would read the number of its steps there, one for each tensor."""
    assert (training._fused("cuda:0"), training._fused("cpu")) == (True, None)

    def stop(now: Progress) -> None:
        if now.epoch == 3:
            raise Killed

    with pytest.raises(Killed):
        run(tmp_path, progress=stop)
    (checkpoint,) = tmp_path.rglob("*.ckpt")
    kept = torch.load(checkpoint, weights_only=True)
    for group in kept["optimizer"]["param_groups"]:
        assert group["fused"] is None
        group["fused"] = fused
    torch.save(kept, checkpoint)
    assert files(run(tmp_path)) == files(run(tmp_path / "whole"))
