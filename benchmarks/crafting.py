"""What adversarial training gains by attacking the model's deployed equal: one step of `pgd_at`, both ways.

A step crafts ten-step PGD examples of a batch of 128 photographs' size and learns from them. The plain way attacks
the model itself, in eval mode with frozen parameters. One thread, alternating repeats, medians of ratios.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo import adversarial
from zoo.models import build
from zoo.recipes import Recipe, recipe


def main() -> None:
    """Prints milliseconds a step and the ratio, a line a model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default="baseline_cnn,parallel_gcnn,equivariant_gcnn")
    parser.add_argument("--precision", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    ours = replace(recipe("pgd_at"), precision=options.precision)
    x = torch.rand(128, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    y = torch.randint(10, (128,))
    for name in options.models.split(","):
        model = build(name, channels=3, classes=10, size=32).train()
        turns = [
            (step(model, x, y, ours, itself), step(model, x, y, ours, adversarial.deploy))
            for _ in range(options.repeats + 1)
        ][1:]
        plain, deployed = (1e3 * statistics.median(times) for times in zip(*turns, strict=True))
        ratio = statistics.median(one / other for one, other in turns)
        print(
            f"{name:20} {options.precision}  {plain:6.0f} ms / {deployed:6.0f} ms = {ratio:.2f}", flush=True
        )


def step(
    model: nn.Module, x: Tensor, y: Tensor, ours: Recipe, target: Callable[[nn.Module], nn.Module]
) -> float:
    """Seconds of one step that attacks `target(model)`."""
    with mock.patch.object(adversarial, "deploy", target):
        began = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=ours.precision == "bfloat16"):
            attacked = adversarial.attack(model, x, y, ours)
            model.requires_grad_(True).train()
            loss = F.cross_entropy(model(attacked).float(), y)
        loss.backward()
        return time.perf_counter() - began


def itself(model: nn.Module) -> nn.Module:
    """The model in eval mode with frozen parameters."""
    return model.requires_grad_(False).eval()


if __name__ == "__main__":
    main()
