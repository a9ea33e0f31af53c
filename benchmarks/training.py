"""Seconds an epoch of `bench train` takes: the real loop, checkpoint included, on random images of 3×32×32.

The first epoch is not counted: kernels are chosen and memory is reserved in it. The floating-point operations of
one image are counted by torch on the device, those of making adversarial examples included.

On an H100, whose peak is 494 TFLOP/s in TF32 (convolutions in float32 take it) and 989 in bfloat16, without sparsity:

    python benchmarks/training.py --device cuda --peak float32=494,bfloat16=989
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from contextlib import nullcontext, suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch.profiler import profile
from torch.utils.flop_counter import FlopCounterMode

from zoo.data import Dataset
from zoo.deployment import deploy
from zoo.models import build
from zoo.recipes import Recipe, recipe
from zoo.train import Progress, train


class Enough(Exception):
    """All epochs are timed; no weights are written."""


def main() -> None:
    """Prints a line for each model, width and precision."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--images", type=int, default=50_000, help="of an epoch")
    parser.add_argument("--epochs", type=int, default=3, help="timed, after one that is not")
    parser.add_argument(
        "--models", default="baseline_cnn,equivariant_gcnn,baseline_cnn.pgd_at,equivariant_gcnn.pgd_at"
    )
    parser.add_argument("--widths", default="1,released")
    parser.add_argument("--precisions", default="float32,bfloat16")
    parser.add_argument("--peak", default="", help="TFLOP/s of the device, e.g. float32=494,bfloat16=989")
    parser.add_argument("--profile", action="store_true", help="also print the 15 longest operations")
    options = parser.parse_args()
    peaks = dict(part.split("=") for part in options.peak.split(",") if part)
    device = torch.cuda.get_device_name(options.device) if options.device != "cpu" else "cpu"
    print(f"torch {torch.__version__}, {device}, {options.threads} threads, {options.images} images an epoch")
    data = random_images(options.images)
    for name in options.models.split(","):
        for width in (text if text == "released" else float(text) for text in options.widths.split(",")):
            for precision in options.precisions.split(","):
                ours = recipe(name.partition(".")[2] or "standard")
                ours = replace(ours, epochs=options.epochs + 1, precision=precision, held_out=0.0)
                times = epochs(name, data, ours, width, options)
                tflop = 1e-12 * flop(name, ours, width, options.device) * len(data)
                line = told(statistics.median(times), len(data), tflop, peaks.get(precision))
                print(f"{name:24} {width!s:8} {precision:8} {line}", flush=True)


def told(seconds: float, images: int, tflop: float, peak: str | None) -> str:
    share = f" = {100 * tflop / seconds / float(peak):5.1f} % of peak" if peak else ""
    return (
        f"{seconds:8.2f} s an epoch  {images / seconds:8.0f} images/s  "
        f"{tflop:8.2f} TFLOP an epoch  {tflop / seconds:8.3f} TFLOP/s{share}"
    )


def random_images(count: int) -> Dataset:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
    labels = random.integers(0, 10, count)
    return Dataset("random", "train", pixels, labels, tuple("0123456789"), 255, "random")


def epochs(
    name: str, data: Dataset, ours: Recipe, width: float | str, options: argparse.Namespace
) -> list[float]:
    """Seconds of every epoch but the first."""
    ends: list[float] = []

    def watch(now: Progress) -> None:
        if now.batch == now.batches:  # its loss was read, so the device has done all of it
            ends.append(time.perf_counter())
        if len(ends) == ours.epochs:
            raise Enough

    measured = profile() if options.profile else nullcontext()
    with tempfile.TemporaryDirectory() as out, measured as profiled, suppress(Enough):
        train(
            name, data, test=None, recipe=ours, out=Path(out), threads=options.threads,
            device=options.device, width=width, progress=watch,
        )  # fmt: skip
    if profiled is not None:
        longest = "self_cpu_time_total" if options.device == "cpu" else "self_device_time_total"
        print(profiled.key_averages().table(sort_by=longest, row_limit=15))
    return [end - begin for begin, end in pairwise(ends)]


def flop(name: str, ours: Recipe, width: float | str, device: str) -> float:
    """Floating-point operations of one image in one step: gradients of the attack, then forward and backward."""
    count = 8
    model = build(name, channels=3, classes=10, size=32, width=width).to(device).train()
    x, y = torch.rand(count, 3, 32, 32, device=device), torch.zeros(count, dtype=torch.long, device=device)
    with FlopCounterMode(display=False) as learning:
        F.cross_entropy(model(x), y).backward()
    with FlopCounterMode(display=False) as attacking:
        F.cross_entropy(deploy(model)(x.requires_grad_(True)), y).backward()
    attacks = ours.share * ours.steps * attacking.get_total_flops()
    return (learning.get_total_flops() + attacks) / count


if __name__ == "__main__":
    main()
