"""A whole ε grid: the library called anew at every ε against the harness's cumulative lanes.

(A) torchattacks as its documentation shows it: the plain model in eval mode, all images in batches of 100, once
for each attack and ε. (B) `bench`: the deployed model, a lane for each attack and shard, PGD only on what still
stands. Both in this process with one thread, on the paper's grid of 15 ε, FGSM and PGD without random start.
Wall time, and CPU time, which a busy machine disturbs less; (B) runs before and after (A) and the mean counts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping

import numpy as np
import torch
import torchattacks
from torch import Tensor, nn

from bench.attacks import parse_requests
from bench.engine.executors import InProcess
from bench.engine.store import MemoryStore
from bench.inputs.sources import DataSource, deployed
from bench.studies.robustness.evaluation import PAPER_GRID, Evaluation, prepare, run_evaluation
from bench.studies.robustness.results import ModelResult
from bench.studies.shared.ask import Ask

BATCH = 100
GRID = tuple(float(eps) for eps in PAPER_GRID)
ATTACKS = ("fgsm", "pgd")
ALLOWED = 0.002

Standing = Mapping[str, np.ndarray]  # attack → bool (ε, image)


def main() -> None:
    """Prints both wall times, their ratio, and the images on which the two disagree the wrong way round."""
    options = arguments()
    torch.set_num_threads(1)
    evaluation = prepare(ask(options))
    (source, _), n = evaluation.models[0], evaluation.setting.n
    x, y = evaluation.data.images(0, n), torch.from_numpy(evaluation.data.labels[:n].copy())
    before, model = lanes(evaluation)
    theirs, fell = library(source.build(), x, y, options.steps)
    ours = (before + lanes(evaluation)[0]) / 2
    print(f"{options.model} on {evaluation.setting.dataset}: {n} images, {len(GRID)} ε, PGD-{options.steps}")
    print(f"clean accuracy {model.clean.correct.mean():.3f}; 1 thread\n{'':18}{'wall s':>8}{'CPU s':>8}")
    for name, values in (("(A) torchattacks", theirs), ("(B) harness", ours), ("ratio", theirs / ours)):
        print(f"{name:18}{values[0]:8.1f}{values[1]:8.1f}")
    compare({curve.request.attack: curve.standing for curve in model.curves}, fell)


def arguments() -> argparse.Namespace:
    """Command-line options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="baseline_cnn")
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--name")
    parser.add_argument("--data-root")
    parser.add_argument("--weights-from")
    parser.add_argument("--n", type=int, default=500)
    parser.add_argument("--steps", type=int, default=40)
    return parser.parse_args()


def ask(options: argparse.Namespace) -> Ask:
    """The request of `bench run --attacks fgsm,pgd --eps paper --no-random-start`."""
    return Ask(
        models=(options.model,),
        requests=parse_requests(ATTACKS, params={"steps": options.steps, "random_start": False}),
        data=DataSource(spec=options.dataset, root=options.data_root, name=options.name),
        weights_from=options.weights_from,
        eps=("paper",),
        n=options.n,
    )


def clock() -> np.ndarray:
    """Wall and CPU time of this process, in seconds."""
    return np.array([time.perf_counter(), time.process_time()])


def lanes(evaluation: Evaluation) -> tuple[np.ndarray, ModelResult]:
    """Seconds and result of the harness, from the loaded model on: deploying counts, loading does not."""
    source, info = evaluation.models[0]
    plain = source.build()
    start = clock()
    evaluation.loaded.keep_model(info.weights, "cpu", deployed(plain, "cpu"))
    outcome = run_evaluation(evaluation, MemoryStore(), InProcess(evaluation.loaded))
    return clock() - start, outcome.results[0].models[0]


def library(model: nn.Module, x: Tensor, y: Tensor, steps: int) -> tuple[np.ndarray, Standing]:
    """Seconds of the plain loop, and which images are right after each attack at each ε."""
    start = clock()
    standing: dict[str, list[np.ndarray]] = {attack: [] for attack in ATTACKS}
    for eps in GRID:
        for name, attack in (
            ("fgsm", torchattacks.FGSM(model, eps=eps)),
            (
                "pgd",
                torchattacks.PGD(model, eps=eps, alpha=2.5 * eps / steps, steps=steps, random_start=False),
            ),
        ):
            right = [
                attacked_right(attack, model, x[i : i + BATCH], y[i : i + BATCH])
                for i in range(0, len(x), BATCH)
            ]
            standing[name].append(np.concatenate(right))
    seconds = clock() - start
    return seconds, {name: np.stack(rows) for name, rows in standing.items()}


def attacked_right(
    attack: Callable[[Tensor, Tensor], Tensor], model: nn.Module, x: Tensor, y: Tensor
) -> np.ndarray:
    """Which images of a batch are classified rightly after the attack."""
    attacked = attack(x, y)
    with torch.no_grad():
        return (model(attacked).argmax(dim=1) == y).numpy()


def compare(ours: Standing, theirs: Standing) -> None:
    """Counts images that are right in ours at an ε though the library broke them there or at a smaller one."""
    print(f"{'':6}{'stand ours':>12}{'stand there':>13}{'missed':>8}{'share':>9}  (image, ε) pairs")
    for attack, standing in ours.items():
        missed = standing & ~np.logical_and.accumulate(theirs[attack], axis=0)
        print(
            f"{attack:6}{standing.sum():12}{theirs[attack].sum():13}{missed.sum():8}{missed.mean():9.4f}  "
            f"{missed.any(axis=0).sum()} images; at most {ALLOWED} from rounding"
        )


if __name__ == "__main__":
    main()
