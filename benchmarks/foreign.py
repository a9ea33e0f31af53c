"""What folding gains on models that are not of the zoo: our FGSM and PGD cells against a bare loop on the plain model.

Networks of torchvision with random weights, images of 3×32×32, the labels that the model itself gives, so that every
image is attacked both ways. The harness measures its cells as `bench run` does, judged and counted; the bare loop
attacks with torchattacks and counts what is still right. One thread, alternating repeats, CPU time.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
import torchattacks
import torchvision
from torch import Tensor, nn

from bench.attacks import parse_requests
from bench.attacks.measure import measure
from bench.engine.driver import backend
from bench.inputs.foreign import folded_if_equal, is_folded
from bench.inputs.model_info import ModelInfo
from bench.inputs.sources import deployed
from bench.studies.robustness.plan import lanes
from bench.studies.robustness.results import Setting

MODELS = "resnet18,mobilenet_v3_small,efficientnet_b0,densenet121"
EPS, STEPS = 8 / 255, 10
TARGET = 1.3


def main() -> None:
    """Prints a line a model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"FGSM and PGD-{STEPS} at 8/255, {options.n} images of 3×32×32, 1 thread, {options.repeats} turns")
    print(f"{'':20}{'bare ms':>9}{'ours ms':>9}{'ratio':>7}  deployed")
    for name in options.models.split(","):
        show(name, options.n, options.repeats)
    print(f"target: at least {TARGET} but for densenet121")


def show(name: str, n: int, repeats: int) -> None:
    """Measures one model both ways, in turns."""
    torch.manual_seed(0)
    plain = getattr(torchvision.models, name)(num_classes=10).train()
    x = torch.rand(n, 3, 32, 32)
    with torch.no_grad():
        plain(x)  # statistics that fit
        y = plain.eval()(x).argmax(1)
    model = folded_if_equal(deployed(plain, "cpu"), x)
    turns = [(spent(bare(plain, x, y)), spent(ours(model, x, y))) for _ in range(repeats + 1)][1:]
    before, after = (1e3 * statistics.median(times) for times in zip(*turns, strict=True))
    ratio = statistics.median(one / other for one, other in turns)
    state = "folded" if is_folded(model) else "as it is"
    print(f"{name:20}{before:9.0f}{after:9.0f}{ratio:7.2f}  {state}", flush=True)


def bare(model: nn.Module, x: Tensor, y: Tensor) -> Callable[[], None]:
    """Both attacks by the library alone, on the model as its author gives it."""

    def way() -> None:
        for attack in (
            torchattacks.FGSM(model, eps=EPS),
            torchattacks.PGD(model, eps=EPS, alpha=2.5 * EPS / STEPS, steps=STEPS),
        ):
            attacked = attack(x, y)
            with torch.no_grad():
                (model(attacked).argmax(1) == y).sum().item()

    return way


def ours(model: nn.Module, x: Tensor, y: Tensor) -> Callable[[], None]:
    """Both attacks as cells of the harness."""
    setting = Setting(
        dataset="random", data="d", n=len(x), norm="linf", eps=(EPS,), curve="cumulative", seed=0,
        protocol="sound/1", backend=backend("cpu"),
    )  # fmt: skip
    info = ModelInfo(name="own", weights="w", trained_on="unknown", parameters=0, origin="python")
    requests = parse_requests(["fgsm", "pgd"], params={"steps": STEPS})
    standing = np.ones(len(x), dtype=bool)

    def way() -> None:
        for lane in lanes(setting, [info], requests):
            measure(lane.following(0, "benchmark"), model, x, y, standing)

    return way


def spent(way: Callable[[], None]) -> float:
    """Seconds of CPU time."""
    start = time.process_time()
    way()
    return time.process_time() - start


if __name__ == "__main__":
    main()
