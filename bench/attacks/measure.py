"""Measures one cell and judges every image itself.

An attack proposes images. This module checks whether they lie in the ball and the box, and whether they break the
model. It also sets seeds, runs restarts, and restores the caller's random state.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor, nn

from bench.attacks import ATTACKS, AttackSpec
from bench.attacks.iterates import Watch
from bench.attacks.outcomes import NOT_ATTACKED, AttackOutcomes
from bench.attacks.own import Attacker, attacker
from bench.attacks.request import BUDGET, TARGET
from bench.attacks.rounds import Call, aim, calls
from bench.attacks.surrogate import SURROGATE
from bench.attacks.table import OWN, adapter, own_spec
from bench.attacks.trace import Trace
from bench.engine.cell import Cell
from bench.engine.judge import Verdict, ask_again, verify
from bench.engine.kind import Kind, Subject
from bench.engine.padding import padded
from bench.engine.protocols import JUDGED
from bench.engine.result import KEPT_IMAGES, CellResult
from bench.engine.seeding import seed_of, seeded
from bench.errors import CellError
from bench.inputs.faults import out_of_memory

__all__ = ["KEPT_IMAGES", "NOT_ATTACKED", "CellResult", "measure", "seed_of", "seeded", "spec_of"]

_JUDGES = ("restarts", "targets", "best_iterate")  # parameters of the judge, not of the adapter


def measure(
    cell: Cell,
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    standing: Bool[np.ndarray, " n"] | None,
    by: Attacker | None = None,
) -> CellResult:
    """Runs one cell.

    Args:
        cell: what to measure.
        model: the deployed model, in eval mode with frozen parameters, on the device of ``x``.
        x: the shard's images (n, c, h, w), float32 in [0, 1].
        y: its labels (n,), int64.
        standing: bool (n,), images the parent cell left standing; ``None`` for a clean cell.
        by: the attacker; ``None`` for the attack of the table on this model.

    Raises:
        CellError: the attack failed or gave images outside its threat set.
    """
    if len(x) != cell.count:
        raise ValueError(f"cell of {cell.count} images was given {len(x)}")
    start = time.perf_counter()
    with seeded(x.device, "judge", cell.key):  # a model may draw random numbers in every pass
        if cell.kind == "clean":
            arrays, gradients = _clean(model, x, y)
        else:
            if standing is None:
                raise ValueError("an attack cell needs the survivors of its parent")
            by = by or Attacker(model)
            arrays, gradients = _attacked(cell, model, x, y, torch.from_numpy(standing), by)
    return CellResult(arrays=arrays, seconds=time.perf_counter() - start, gradients=gradients)


def _clean(
    model: nn.Module, x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"]
) -> tuple[dict[str, np.ndarray], int]:
    verdict = ask_again(model, x, y)
    norms = _gradient_norm(model, x, y)
    arrays = {
        "label": y.cpu().numpy(),
        "standing": verdict.right.cpu().numpy(),
        "predicted": verdict.predicted.cpu().numpy(),
        "margin": verdict.margin.cpu().numpy(),
        "loss": verdict.loss.cpu().numpy(),
        "nonfinite": verdict.nonfinite.cpu().numpy(),
        "grad_norm": norms.cpu().numpy(),
        "image_index": np.arange(min(KEPT_IMAGES, len(x))),
        "image": x[:KEPT_IMAGES].cpu().numpy(),
    }
    return arrays, len(x)


def _gradient_norm(
    model: nn.Module, x: Float[Tensor, "n c h w"], y: Int64[Tensor, " n"]
) -> Float64[Tensor, " n"]:
    """L1 norms of the loss's gradient; NaN if the model gives none or raises anything."""
    images = x.clone().requires_grad_()
    try:
        loss = nn.functional.cross_entropy(model(images), y, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, images)
    except Exception as fault:
        if out_of_memory(fault):
            raise
        return torch.full((len(x),), float("nan"), dtype=torch.float64)
    return gradient.double().abs().sum(dim=(1, 2, 3))


def _attacked(
    cell: Cell,
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int64[Tensor, " n"],
    standing: Bool[Tensor, " n"],
    by: Attacker,
) -> tuple[dict[str, np.ndarray], int]:
    outcomes = AttackOutcomes(x, y, standing.to(x.device))
    goal = aim(cell, model, x, y)
    if goal is not None:
        outcomes.leave_out(goal == y)
    trace = _trace(cell, x, y)
    gradients = 0
    for each in calls(cell, spec_of(cell), model, x, y, outcomes, goal):
        gradients += _call(cell, model, x, y, outcomes, each, by, trace)
    arrays = outcomes.arrays()
    return arrays | (trace.arrays(arrays["standing"], arrays["distance"]) if trace else {}), gradients


def _trace(cell: Cell, x: Tensor, y: Tensor) -> Trace | None:
    """The curve over passes, for a cell with a budget of them."""
    params = dict(cell.params)
    if BUDGET not in params or cell.norm is None or cell.eps == 0 or params.get(SURROGATE):
        return None
    rules = JUDGED[cell.protocol.partition("/")[0]]
    accepted = rules.accepted(cell.norm, float(cell.eps or 0))
    return Trace(x, y, norm=cell.norm, eps=cell.eps, accepted=accepted, budget=int(params[BUDGET] or 1))


def spec_of(cell: Cell) -> AttackSpec:
    """The row of a cell's attack in the attack table; for a user's own attack the row that it would have."""
    if cell.library.partition("==")[0] == OWN:
        return own_spec(cell.attack, dict(cell.params))
    return ATTACKS[cell.attack, cell.library.partition("==")[0]]


def _call(
    cell: Cell,
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    outcomes: AttackOutcomes,
    asked: Call,
    by: Attacker,
    trace: Trace | None,
) -> int:
    """Calls the adapter on the images left and judges the result; returns the number of gradient evaluations."""
    spec, clean, labels = spec_of(cell), x[asked.rows], y[asked.rows]
    goal = asked.target if TARGET in dict(cell.params) else None
    rules = JUDGED[cell.protocol.partition("/")[0]]
    ball = spec.threat == "ball" and "best_iterate" in dict(cell.params)
    watch = Watch(
        by.model,
        clean,
        labels,
        goal=goal,
        norm=str(cell.norm),
        eps=cell.eps if ball else None,
        accepted=rules.accepted(str(cell.norm), float(cell.eps or 0)),
    )
    with watch, trace.watching(model, asked.left, goal) if trace else contextlib.nullcontext():
        proposed = _propose(cell, by, clean, labels, asked.number, asked.target)
    images, verdict = _verified(cell, model, clean, labels, proposed, goal)
    silent = torch.zeros(len(labels), dtype=torch.bool, device=x.device)
    if bool((watch.found & verdict.right).any()):
        chosen = watch.found & verdict.right
        mixed = torch.where(chosen[:, None, None, None], watch.images, images)
        seen, second = _verified(cell, model, clean, labels, mixed, goal)
        silent = chosen & ~second.right
        if cell.param("best_iterate"):
            images, verdict = seen, second
    outcomes.record(asked.left, images, verdict, silent)
    return watch.gradients


def _verified(
    cell: Cell, model: nn.Module, x: Tensor, y: Tensor, proposed: Tensor, goal: Tensor | None
) -> tuple[Tensor, Verdict]:
    """Like ``verify``; for a targeted attack an image counts as right until it is classified as its target."""
    images, verdict = verify(cell, model, x, y, proposed)
    if goal is None:
        return images, verdict
    right = (verdict.predicted != goal) | verdict.nonfinite
    distance = torch.where(right, torch.nan, verdict.distance) if cell.eps is None else verdict.distance
    return images, replace(verdict, right=right, distance=distance)


def _propose(cell: Cell, by: Attacker, x: Tensor, y: Tensor, number: int, target: Tensor | None) -> Tensor:
    if cell.eps == 0:
        return x.clone()
    spec = spec_of(cell)
    call = by.own or adapter(spec.name, spec.library)
    params: dict[str, Any] = {name: cell.param(name) for name in spec.params if name not in _JUDGES}
    if spec.name != "transfer":
        params.pop(SURROGATE, None)  # its model is the surrogate already
    params |= {"norm": cell.norm} if spec.norms else {}
    params |= {"eps": cell.eps} if spec.threat == "ball" else {}
    params |= {TARGET: target} if target is not None else {}
    # the first round takes the seed itself, as a user of the library would; later rounds must differ from the first of
    # any other seed
    own_seed = cell.seed if number == 0 else seed_of(cell.seed, number) % 2**31
    params |= {"seed": own_seed} if spec.seeded else {}

    def attacked() -> Tensor:
        with seeded(x.device, cell.seed, cell.first, cell.attack, cell.eps, number):
            try:
                return call(by.model, x, y, **params)
            except CellError:
                raise
            except Exception as fault:
                if out_of_memory(fault):
                    raise
                reason = f"{type(fault).__name__}: {fault}".splitlines()[0]
                who = "attack" if spec.library == OWN else cell.library
                raise CellError(f"{who} {cell.attack} raised {reason}") from fault

    proposed = attacked()
    return proposed if bool(torch.isfinite(proposed).all()) else _witnessed(attacked, by.model, x)


def _witnessed(attacked: Callable[[], Tensor], model: nn.Module, x: Tensor) -> Tensor:
    """Attacks again, watching: an image that ended as NaN becomes the first point where its logits were NaN.

    Where a model's logits are not finite, neither are its gradients, and an iterative attack goes on from
    there to pixels that are not. The model is to blame for that: it broke at the last point before.
    """
    points, seen = x.clone(), torch.zeros(len(x), dtype=torch.bool, device=x.device)

    def watch(_: nn.Module, inputs: tuple[Tensor, ...], logits: Tensor) -> None:
        at = inputs[0].detach()
        if at.shape == x.shape:
            fresh = ~_finite(logits.detach()) & _finite(at) & ~seen
            points.copy_(torch.where(fresh[:, None, None, None], at, points))
            seen.logical_or_(fresh)

    hook = model.register_forward_hook(watch)
    try:
        proposed = attacked()
    finally:
        hook.remove()
    lost = seen & ~_finite(proposed)
    return torch.where(lost[:, None, None, None], points, proposed)


def _finite(values: Float[Tensor, "n ..."]) -> Bool[Tensor, " n"]:
    return torch.isfinite(values).flatten(1).all(dim=1)


def _single_step(cell: Cell) -> bool:
    spec = ATTACKS.get((cell.attack, cell.library.partition("==")[0]))
    return spec is not None and not spec.iterative and TARGET not in dict(cell.params)


def _measure(cell: Cell, subject: Subject) -> CellResult:
    subject = replace(subject, model=padded(subject.model, cell.count, subject.x.device))
    by = None if cell.kind == "clean" else attacker(cell, subject)
    return measure(cell, subject.model, subject.x, subject.y, subject.standing, by)


CLEAN = Kind(measure=_measure, divisible=True)
ATTACK = Kind(measure=_measure, same_gradient=_single_step, divisible=True)
