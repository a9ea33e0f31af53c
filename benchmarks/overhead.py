"""What the harness costs: one PGD cell through it against a bare loop over the same library and model.

The harness seeds, attacks, judges every image anew, keeps the per-image arrays and stores the cell on disk;
the bare loop attacks the same images and counts what is still right. One thread, alternating repeats, medians.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torchattacks
from torch import Tensor, nn

from bench.attacks import parse_requests
from bench.attacks.measure import measure
from bench.engine.driver import provenance
from bench.engine.heap import keep_freed_memory
from bench.engine.lane import Lane
from bench.engine.store import DirectoryStore, Stored
from bench.inputs.sources import DataSource, deployed
from bench.studies.robustness.evaluation import Evaluation, prepare
from bench.studies.shared.ask import Ask

TARGET = 1.05
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def main() -> None:
    """Prints medians in milliseconds and their ratios."""
    options = arguments()
    torch.set_num_threads(1)
    keep_freed_memory()
    evaluation = prepared(options)
    lane = evaluation.lanes[0]
    model = deployed(evaluation.models[0][0].build(), "cpu")
    x, y = evaluation.data.images(0, options.n), torch.from_numpy(evaluation.data.labels[: options.n].copy())
    with tempfile.TemporaryDirectory() as folder:
        ways = contestants(lane, model, x, y, options.steps, DirectoryStore(Path(folder)))
        times = alternate(ways, options.repeats, CLOCKS[options.clock])
    show(options, times)


def arguments() -> argparse.Namespace:
    """Command-line options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="baseline_cnn")
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--name")
    parser.add_argument("--data-root")
    parser.add_argument("--weights-from")
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--eps", default="8/255")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu on a busy machine")
    return parser.parse_args()


def prepared(options: argparse.Namespace) -> Evaluation:
    """Data and deployed model, as ``bench run`` loads them."""
    return prepare(
        Ask(
            models=(options.model,),
            requests=parse_requests(["pgd"], params={"steps": options.steps}),
            data=DataSource(spec=options.dataset, root=options.data_root, name=options.name),
            weights_from=options.weights_from,
            eps=(options.eps,),
            n=options.n,
            batch=options.n,
        )
    )


def contestants(
    lane: Lane, model: nn.Module, x: Tensor, y: Tensor, steps: int, store: DirectoryStore
) -> dict[str, Callable[[], object]]:
    """The bare loop, the harness, and the harness with its store; all attack the clean-right images."""
    clean = measure(lane.first, model, x, y, None)
    standing = clean.arrays["standing"]
    right = torch.from_numpy(standing).nonzero().squeeze(1)
    cell = lane.following(0, "benchmark")
    eps = cell.eps or 0.0

    def bare() -> int:
        attack = torchattacks.PGD(model, eps=eps, alpha=2.5 * eps / steps, steps=steps)
        attacked = attack(x[right], y[right])
        with torch.no_grad():
            return int((model(attacked).argmax(dim=1) == y[right]).sum())

    def stored() -> None:
        result = measure(cell, model, x, y, standing)
        store.put(Stored(cell=cell, result=result, provenance=provenance("cpu")))

    return {
        "bare loop": bare,
        "harness": lambda: measure(cell, model, x, y, standing),
        "harness + store": stored,
    }


def alternate(
    ways: dict[str, Callable[[], object]], repeats: int, clock: Callable[[], float]
) -> dict[str, list[float]]:
    """Seconds of each way; the ways take turns, so that a busy moment affects all of them equally."""
    for way in ways.values():
        way()
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            start = clock()
            way()
            times[name].append(clock() - start)
    return times


def show(options: argparse.Namespace, times: dict[str, list[float]]) -> None:
    """A small table; ratios are medians over the turns of one way against the bare loop beside it."""
    print(
        f"{options.model} on {options.name or options.dataset}: one PGD cell, {options.n} images, "
        f"{options.steps} steps, 1 thread, {options.repeats} turns, {options.clock} time"
    )
    print(f"{'':16}{'median ms':>10}{'ratio':>8}")
    for name, seconds in times.items():
        ratio = statistics.median(a / b for a, b in zip(seconds, times["bare loop"], strict=True))
        print(f"{name:16}{1000 * statistics.median(seconds):10.1f}{ratio:8.3f}")
    print(f"target: at most {TARGET}")


if __name__ == "__main__":
    main()
