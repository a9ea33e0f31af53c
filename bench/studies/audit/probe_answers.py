"""Probes of the logits: whether they depend on anything but the image."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from bench.studies.audit.findings_probe import ENOUGH
from bench.studies.audit.subject import EPS, ProbedModel, ask, gradient
from zoo.layers.group import P4, P4M, Group

GROUPS: dict[str, Group] = {group.name: group for group in (P4, P4M)}

BATCHINGS = ("one by one", "in sevens", "in halves", "in another order", "twice over", "with gradients on")

# (mean, standard deviation) by channel count; common values in training
NORMALISATIONS: dict[str, dict[int, tuple[tuple[float, ...], tuple[float, ...]]]] = {
    "to [-1, 1]": {1: ((0.5,), (0.5,)), 3: ((0.5,) * 3, (0.5,) * 3)},
    "to 0 … 255": {1: ((0.0,), (1 / 255,)), 3: ((0.0,) * 3, (1 / 255,) * 3)},
    "as for ImageNet": {3: ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))},
    "as for CIFAR-10": {3: ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))},
    "as for MNIST": {1: ((0.1307,), (0.3081,))},
}

POINTS = 25  # random points an image, for the landscape
CHUNK = 50


def logits(subject: ProbedModel) -> dict[str, np.ndarray]:
    """C2, C6: ``logits`` (n, classes) of the clean images, float64."""
    return {"logits": _array(ask(subject.model, subject.x))}


def batches(subject: ProbedModel) -> dict[str, np.ndarray]:
    """C21: how much logits change when the same images are passed in another way.

    ``batch_difference`` (ways, n): largest change of a logit of the clean or the attacked image, as a share of
    the largest logit; ``batch_mismatch`` (ways, n) bool: another class is predicted for one of the two. The
    ways are ``BATCHINGS``; gradients stay off where the model has none.
    """
    differences, mismatches = [], []
    for images in (subject.x, subject.pgd):
        usual = ask(subject.model, images).double()
        others = torch.stack([other.double() for other in _ways(subject, images)])
        scale = usual.abs().max().clamp_min(torch.finfo(torch.float64).tiny)
        differences.append(_changes(usual, others) / scale)
        mismatches.append(usual.argmax(1) != others.argmax(2))
    return {
        "batch_difference": _array(torch.stack(differences).amax(0)),
        "batch_mismatch": torch.stack(mismatches).any(0).cpu().numpy(),
    }


def _ways(subject: ProbedModel, images: Float[Tensor, "n c h w"]) -> list[Tensor]:
    model = subject.model
    n = len(images)
    order = torch.randperm(n, device=images.device)
    return [
        _in_batches(model, images, 1),
        _in_batches(model, images, 7),
        _in_batches(model, images, max(1, n // 2)),
        ask(model, images[order])[order.argsort()],
        ask(model, torch.cat([images, images]))[n:],
        ask(model, images, graph=not subject.gradient_fault),
    ]


def _in_batches(model: nn.Module, images: Float[Tensor, "n c h w"], size: int) -> Tensor:
    return torch.cat([ask(model, part) for part in images.split(size)])


def _changes(usual: Tensor, other: Tensor) -> Tensor:
    """The largest change of a logit by image; a change into or out of NaN is infinite."""
    alike = (usual == other) | (torch.isnan(usual) & torch.isnan(other))
    change = torch.where(alike, 0.0, (usual - other).abs())
    return torch.nan_to_num(change, nan=torch.inf, posinf=torch.inf).amax(-1)


def landscape(subject: ProbedModel) -> dict[str, np.ndarray]:
    """C17: ``landscape`` (m,), mean change of the margin over random points, as a share of it, capped at 1.

    The points are x + U(−r/2, r/2), r = 8/255; the images are a quarter of those looked at.
    """
    m = max(1, len(subject.x) // 4)
    x, y = subject.x[:m], subject.y[:m]
    before = _margin(ask(subject.model, x), y)
    many = x.repeat(POINTS, 1, 1, 1)
    moved = (many + EPS * (torch.rand_like(many) - 0.5)).clamp(0, 1)
    margins = _margin(_in_batches(subject.model, moved, CHUNK), y.repeat(POINTS)).view(POINTS, m)
    changes = (margins - before).abs() / before.abs()
    return {"landscape": _array(torch.nan_to_num(changes, nan=1.0).clamp(max=1.0).mean(0))}


def _margin(logits: Tensor, y: Tensor) -> Tensor:
    logits = logits.double()
    return logits.gather(1, y[:, None]).squeeze(1) - logits.scatter(1, y[:, None], -torch.inf).amax(1)


def turned(subject: ProbedModel) -> dict[str, np.ndarray]:
    """C29: ``turned_difference`` (order − 1, n), largest change of a logit when the image is moved by the group.

    It is a share of the largest logit of the batch. Nothing if the model declares no symmetry.
    """
    if subject.group is None:
        return {}
    if subject.group not in GROUPS:
        raise ValueError(f"the model declares the symmetry {subject.group!r}; known: {', '.join(GROUPS)}")
    group = GROUPS[subject.group]
    usual = ask(subject.model, subject.x).double()
    moved = [
        ask(subject.model, group.transform(subject.x, g).contiguous()).double() for g in range(1, group.order)
    ]
    return {"turned_difference": _array(_changes(usual, torch.stack(moved)) / usual.abs().max())}


def normalised(subject: ProbedModel) -> dict[str, np.ndarray]:
    """C31: ``normalised_correct`` (1 + ways, m) bool, right as it is and with images normalised outside.

    The ways are by the images' own mean and deviation, and those of ``NORMALISATIONS`` that have their number of
    channels. Without any row where the images are fewer than ``ENOUGH``.
    """
    x, y = subject.all_x, subject.all_y
    if len(x) < ENOUGH:
        return {"normalised_correct": np.empty((0, len(x)), dtype=bool)}
    rows = [_in_batches(subject.model, x, CHUNK).argmax(1) == y]
    own = x.mean((0, 2, 3)), x.std((0, 2, 3)).clamp_min(1e-6)
    common = [ways[x.shape[1]] for ways in NORMALISATIONS.values() if x.shape[1] in ways]
    for constants in (own, *common):
        mean, deviation = (torch.as_tensor(values).to(x)[:, None, None] for values in constants)
        rows.append(_in_batches(subject.model, (x - mean) / deviation, CHUNK).argmax(1) == y)
    return {"normalised_correct": torch.stack(rows).cpu().numpy()}


def repeats(subject: ProbedModel) -> dict[str, np.ndarray]:
    """C1: how much the output for one image varies over calls, with other calls between them.

    ``repeat_correct`` (r,): right answers of each call with the clean images. ``repeat_difference`` (n,):
    largest distance between two answers, each divided by its length, over clean and attacked images.
    ``repeat_gradient`` (n,): the same of the cross-entropy's gradients; NaN where there are none.
    ``draws_random`` (1,): whether a pass moves a global random state.
    """
    model, clean, attacked = subject.model, subject.x, subject.pgd
    other = subject.noise.flip(0)
    buffer = clean.clone()  # one piece of memory, to find outputs that are cached by address
    asked: dict[str, list[Tensor]] = {"c": [], "a": [], "o": []}
    # every call directly after itself and directly after each of the others
    for name in "ccaacooaoc":
        images = {"c": clean, "a": attacked, "o": other}[name]
        with torch.no_grad():
            asked[name].append(model(buffer.copy_(images)).detach().clone())
    asked["c"].append(ask(model, clean))
    differences = [_spread(asked["c"]), _spread(asked["a"])]
    correct = [int((answer.argmax(1) == subject.y).sum()) for answer in asked["c"]]
    draws, gradients = _drawing(subject)
    return {
        "repeat_correct": np.array(correct),
        "repeat_difference": _array(torch.stack(differences).amax(0)),
        "repeat_gradient": gradients,
        "draws_random": np.array([draws]),
    }


def _drawing(subject: ProbedModel) -> tuple[bool, np.ndarray]:
    """Whether a pass draws random numbers, and the spread of gradients over passes."""
    _ = (
        torch.rand(1),
        np.random.random(),
        random.random(),
    )  # not a state that a model sets each time
    before = _random_states(subject.x.device)
    ask(subject.model, subject.x)
    if subject.gradient_fault:
        draws = _random_states(subject.x.device) != before
        return draws, np.full(len(subject.x), np.nan)
    at = (subject.x, subject.pgd, subject.x, subject.noise, subject.x)
    gradients = [gradient(subject.model, images, subject.y) for images in at]
    draws = _random_states(subject.x.device) != before
    return draws, _array(_spread([found.flatten(1) for found in gradients[::2]]))


def _spread(answers: list[Tensor]) -> Tensor:
    """Largest L2 distance between two answers of length 1, by image; infinite between NaN and a number."""
    rows = [answer.double() for answer in answers]
    rows = [row / (row.norm(dim=1, keepdim=True) + 1e-10) for row in rows]
    apart = torch.stack([_changes_l2(a, b) for i, a in enumerate(rows) for b in rows[i + 1 :]])
    return apart.amax(0)


def _changes_l2(a: Tensor, b: Tensor) -> Tensor:
    alike = (a == b) | (torch.isnan(a) & torch.isnan(b))
    change = torch.where(alike, 0.0, a - b).norm(dim=1)
    return torch.nan_to_num(change, nan=torch.inf)


def _random_states(device: torch.device) -> Any:
    states = [random.getstate(), str(np.random.get_state()), torch.get_rng_state().numpy().tobytes()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device).numpy().tobytes())
    return states


def _array(values: Tensor) -> np.ndarray:
    return values.double().cpu().numpy()
