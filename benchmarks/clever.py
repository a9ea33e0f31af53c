"""CLEVER: stock ART against our engines at equal sample budget, and the parts of our time.

Stock: ``art.metrics.clever_u`` with a plain ``PyTorchClassifier`` (library defaults) on the undeployed model.
Ours: ``bench.studies.clever`` on the deployed model. 50 × 100 samples, pool factor 10, all targets; freshly built
models of 10 classes on random images of 3×32×32; the same number of threads for both, which take turns.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn

import zoo
from bench.studies.clever import CleverOptions, clever, image_seed
from bench.studies.clever.art_engine import ORDERS, load_art

TARGETS = {("batched", "baseline_cnn"): 15, ("batched", "equivariant_gcnn"): 12}  # times as fast; art: 4
CLASSES = 10


def main() -> None:
    """Prints seconds an image, times as fast as stock, share inside the network, by model and engine.

    With one thread, CPU seconds are more exact than wall time when other processes share the cores; with more threads,
    waiting ones count as busy.
    """
    options = arguments()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")  # SciPy's, on ART's degenerate fits
    print(
        f"CLEVER {options.norm}, radius {options.radius}, {options.batches} × {options.samples}, pool factor 10, "
        f"{CLASSES} classes, 3×32×32; {options.threads} thread(s), {options.n} image(s), medians"
    )
    print(
        f"{'model':18}{'engine':9}{'s/image':>9}{'× stock':>9}{'target':>8}{'cpu s':>9}{'× stock':>9}"
        f"{'in network':>12}{'score':>11}"
    )
    for name in options.models.split(","):
        compare(name, options)


def arguments() -> argparse.Namespace:
    """Command-line options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default="baseline_cnn,equivariant_gcnn")
    parser.add_argument("--n", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--norm", default="l2")
    parser.add_argument("--radius", type=float, default=2.0)
    parser.add_argument("--batches", type=int, default=50)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--engines", default="batched,art")
    return parser.parse_args()


def compare(name: str, options: argparse.Namespace) -> None:
    """Each image by stock ART and by every engine in turn."""
    torch.manual_seed(0)
    model = zoo.build(name).eval()
    deployed = zoo.deploy(model)
    images = torch.rand(options.n, 3, 32, 32)
    engines = options.engines.split(",")
    for engine in engines:  # warms up; ART takes seconds to import
        ours(deployed, images[:1], asked(engine, options, batches=2, samples=10), 0)
    runs: dict[str, list[tuple[float, ...]]] = {engine: [] for engine in ["stock", *engines]}
    for i in range(options.n):
        for engine in engines:
            runs[engine].append(ours(deployed, images[i : i + 1], asked(engine, options), i))
        runs["stock"].append(stock(model, images[i], options, i))
    baseline = medians(runs["stock"])
    for engine, found in runs.items():
        seconds, cpu, share, score = medians(found)
        target = "" if engine == "stock" else TARGETS.get((engine, name), 4 if engine == "art" else "")
        wall_ratio, cpu_ratio = baseline[0] / seconds, baseline[1] / cpu
        print(
            f"{name:18}{engine:9}{seconds:9.2f}{wall_ratio:9.1f}{target:>8}{cpu:9.2f}{cpu_ratio:9.1f}"
            f"{share:12.1%}{score:11.5f}",
            flush=True,
        )


def medians(runs: list[tuple[float, ...]]) -> tuple[float, ...]:
    """Column by column."""
    return tuple(statistics.median(column) for column in zip(*runs, strict=True))


def asked(engine: str, options: argparse.Namespace, **changes: int) -> CleverOptions:
    """The options of one engine."""
    budget = {"batches": options.batches, "samples": options.samples, **changes}
    return CleverOptions(
        engine=engine,
        norm=options.norm,
        radius=options.radius,
        pool_factor=10,
        targets=None,
        seed=0,
        **budget,
    )


def ours(model: nn.Module, image: Tensor, options: CleverOptions, first: int) -> tuple[float, ...]:
    """Wall and CPU seconds, share inside the network, and score of one image, (1, c, h, w)."""
    with torch.no_grad():
        label = model(image).argmax(dim=1)
    return timed(model, lambda: float(clever(model, image, label, options, first=first)["score"][0]))


def stock(model: nn.Module, image: Tensor, options: argparse.Namespace, index: int) -> tuple[float, ...]:
    """The same of ART as its documentation shows it."""
    metrics = load_art("art.metrics.metrics")
    from art.estimators.classification import PyTorchClassifier

    classifier = PyTorchClassifier(
        model=model,
        loss=nn.CrossEntropyLoss(),
        input_shape=tuple(image.shape),
        nb_classes=CLASSES,
        clip_values=(0, 1),
    )
    budget = (options.batches, options.samples, options.radius, ORDERS[options.norm])
    np.random.seed(image_seed(0, index) % 2**32)
    return timed(
        model,
        lambda: float(metrics.clever_u(classifier, image.numpy(), *budget, pool_factor=10, verbose=False)),
    )


def timed(model: nn.Module, work: Callable[[], float]) -> tuple[float, ...]:
    """Wall and CPU seconds, share inside the model's forward and backward passes, and what came out."""
    with network_clock(model) as inside:
        start, cpu = time.perf_counter(), time.process_time()
        value = work()
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    return seconds, cpu, sum(inside) / seconds, value


@contextmanager
def network_clock(model: nn.Module) -> Iterator[list[float]]:
    """Collects the seconds of every forward pass of a model and of every backward pass there is."""
    inside: list[float] = []

    def clocked(function: Callable) -> Callable:
        def run(*args: object, **options: object) -> object:
            start = time.perf_counter()
            found = function(*args, **options)
            inside.append(time.perf_counter() - start)
            return found

        return run

    with (
        mock.patch.object(model, "forward", clocked(model.forward)),
        mock.patch.object(torch.autograd, "grad", clocked(torch.autograd.grad)),
        mock.patch.object(torch.autograd, "backward", clocked(torch.autograd.backward)),
    ):
        yield inside


if __name__ == "__main__":
    main()
