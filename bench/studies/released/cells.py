"""A model under a released protocol as one cell: the whole ε grid, stored and resumed as a whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from bench.attacks import RELEASED_REQUESTS
from bench.attacks.cost import passes
from bench.attacks.outcomes import KEPT_IMAGES
from bench.engine.balls import distance
from bench.engine.cell import Cell
from bench.engine.judge import Verdict, ask_again
from bench.engine.kind import Kind, Subject
from bench.engine.protocols import Released, released_rules
from bench.engine.result import CellResult
from bench.engine.seeding import seeded
from bench.studies.released.attacks import fgsm, pgd
from bench.studies.released.network import Network

NOT_KEPT = -1
_COLUMNS = ("right", "predicted", "margin", "loss", "nonfinite")


def grid_of(cell: Cell) -> tuple[float, ...]:
    """The ε grid of a released cell, ascending."""
    return tuple(float(eps) for eps in str(cell.param("eps")).split(";"))


def measure_released(
    cell: Cell, model: nn.Module, x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"]
) -> CellResult:
    """Runs a released cell, batch after batch in the order of the images.

    At each ε of the ascending grid FGSM passes over all batches, then PGD; a batch is classified right after it was
    attacked. All of it happens on one copy of the model, whose running statistics go on drifting. Images that no script
    attacks (clean ones, and ε = 0, the clamp alone) go through a separate copy.

    Args:
        cell: what to measure.
        model: not deployed, on the device of ``x``; it is not changed.
        x: images (n, c, h, w), float32 in [0, 1].
        y: labels (n,), int64.

    Returns:
        Arrays ``clean_*`` (n,) and, for the attacks in the cell's order, (attacks, ε, n); ``image`` holds for
        each attack the first images at the smallest ε that broke them, ``image_eps`` the place of that ε.
    """
    rules = released_rules(cell.protocol)
    if rules is None or len(x) != cell.count:
        raise ValueError(f"{cell.protocol} with {len(x)} images is not a released cell of {cell.count}")
    start = time.perf_counter()
    with seeded(x.device, cell.seed, cell.protocol):  # dropout in training mode draws numbers
        clean = _clean(_network(model, rules, x), rules, cell, x, y)
        attacked = _attacked(cell, model, rules, x, y, clean["clean_standing"])
    steps = sum(1 + int(cell.param("steps") or 1) for eps in grid_of(cell) if eps > 0)
    return CellResult(
        arrays={**clean, **attacked}, seconds=time.perf_counter() - start, gradients=(1 + steps) * len(x)
    )


def _network(model: nn.Module, rules: Released, x: Tensor) -> Network:
    return Network(model, rules, x.shape[1]).to(x.device)


def _batches(cell: Cell) -> Iterator[slice]:
    size = int(cell.param("batch") or 1)
    return (slice(first, min(first + size, cell.count)) for first in range(0, cell.count, size))


def _clean(network: Network, rules: Released, cell: Cell, x: Tensor, y: Tensor) -> dict[str, np.ndarray]:
    """The unattacked images in the mode of prediction, and the gradients that the attack sees there."""
    z = network.inputs(x)
    network.train(rules.predict_training)
    verdicts = [ask_again(network, z[at], y[at]) for at in _batches(cell)]
    network.train(rules.attack_training)
    norms = torch.cat([_gradient_norm(network, x[at], y[at]) for at in _batches(cell)])
    columns = {name: np.concatenate([_array(v, name) for v in verdicts]) for name in _COLUMNS}
    columns["standing"] = columns.pop("right")
    return {
        "label": y.cpu().numpy(),
        **{f"clean_{name}": column for name, column in columns.items()},
        "clean_grad_norm": norms.cpu().numpy(),
        "clean_image": x[:KEPT_IMAGES].cpu().numpy(),
    }


def _array(verdict: Verdict, name: str) -> np.ndarray:
    return getattr(verdict, name).cpu().numpy()


def _gradient_norm(network: Network, x: Tensor, y: Tensor) -> Tensor:
    leaf = x.clone().requires_grad_()
    loss = nn.functional.cross_entropy(network(network.inputs(leaf)), y, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, leaf)
    return gradient.double().abs().sum(dim=(1, 2, 3))


def _attacked(
    cell: Cell,
    model: nn.Module,
    rules: Released,
    x: Tensor,
    y: Tensor,
    clean_right: Bool[np.ndarray, " n"],
) -> dict[str, np.ndarray]:
    attacks: tuple[Callable[..., Tensor], ...] = (
        fgsm,
        partial(pgd, alpha=float(cell.param("alpha") or 0), steps=int(cell.param("steps") or 1)),
    )
    drifting, untouched = _network(model, rules, x), _network(model, rules, x)
    z, grid = drifting.inputs(x), grid_of(cell)
    record = _Record(len(attacks), len(grid), x, clean_right)
    for e, eps in enumerate(grid):
        network = drifting if eps > 0 else untouched
        for a, attack in enumerate(attacks):
            for at in _batches(cell):
                images = z[at].clamp(rules.low, rules.high)
                if eps > 0:
                    network.train(rules.attack_training)
                    images = attack(network, z[at], y[at], eps=eps, low=rules.low, high=rules.high)
                network.train(rules.predict_training)
                record.add(a, e, at, network.pixels(images), ask_again(network, images, y[at]))
    return record.arrays()


class _Record:
    """The outcome of every image under every attack at every ε."""

    def __init__(
        self, attacks: int, grid: int, x: Float[Tensor, "n c h w"], clean_right: Bool[np.ndarray, " n"]
    ) -> None:
        shape, kept = (attacks, grid, len(x)), x[:KEPT_IMAGES].cpu().numpy()
        self._x = x
        self._clean_right = clean_right
        self._columns = {
            "right": np.zeros(shape, dtype=bool),
            "predicted": np.zeros(shape, dtype=np.int64),
            "margin": np.zeros(shape, dtype=np.float32),
            "loss": np.zeros(shape, dtype=np.float32),
            "nonfinite": np.zeros(shape, dtype=bool),
            "distance": np.zeros(shape, dtype=np.float64),
        }
        self._image = np.tile(kept, (attacks, 1, 1, 1, 1))
        self._image_eps = np.full((attacks, len(kept)), NOT_KEPT)

    def add(self, a: int, e: int, at: slice, images: Float[Tensor, "m c h w"], verdict: Verdict) -> None:
        """Records one batch: attacked images in pixels, and the network's verdict on them."""
        for name in _COLUMNS:
            self._columns[name][a, e, at] = _array(verdict, name)
        self._columns["distance"][a, e, at] = distance(self._x[at], images, "linf").cpu().numpy()
        for place in range(at.start, min(at.stop, KEPT_IMAGES)):
            image = images[place - at.start].cpu().numpy()
            fresh = self._image_eps[a, place] == NOT_KEPT and self._clean_right[place]
            if fresh and not self._columns["right"][a, e, place] and np.isfinite(image).all():
                self._image[a, place], self._image_eps[a, place] = image, e

    def arrays(self) -> dict[str, np.ndarray]:
        """By name; see ``measure_released``."""
        columns = dict(self._columns)
        columns["standing"] = columns.pop("right")
        return {**columns, "image": self._image, "image_eps": self._image_eps}


def _measure(cell: Cell, subject: Subject) -> CellResult:
    return measure_released(cell, subject.model, subject.x, subject.y)


def _gradients(cell: Cell) -> float:
    """Whole attacks at every ε; as no attack aims at a class, the number of classes does not count."""
    return cell.count * len(grid_of(cell)) * sum(passes(request, 2) for request in RELEASED_REQUESTS)


KIND = Kind(measure=_measure, deployed=False, gradients=_gradients)
