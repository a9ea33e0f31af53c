"""Probes of the model's state: what a pass changes, and whether loading changes the logits."""

from __future__ import annotations

import copy
import sys
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import nn

from bench.studies.audit.snapshot import reachable_state, switches, tensors_and_modes
from bench.studies.audit.subject import ProbedModel, ask, gradient
from zoo.deployment import deploy


def calls(subject: ProbedModel) -> dict[str, np.ndarray]:
    """C5: ``autograd_calls`` (2,), calls of autograd during a forward pass, without and with gradients on.

    The second is missing where the model cannot be asked with gradients on.
    """
    modes = (False,) if subject.gradient_fault else (False, True)
    return {"autograd_calls": np.array([_autograd_calls(subject, graph) for graph in modes])}


def _autograd_calls(subject: ProbedModel, graph: bool) -> int:
    """Counts by a profiler, which sees the functions even where a model has imported them by name."""
    watched = {torch.autograd.grad.__code__, torch.autograd.backward.__code__}
    count = 0

    def look(frame: FrameType, event: str, _: Any) -> None:
        nonlocal count
        count += event == "call" and frame.f_code in watched

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        ask(subject.model, subject.x, graph=graph)
    finally:
        sys.setprofile(before)
    return count


def purity(subject: ProbedModel) -> dict[str, np.ndarray]:
    """C24: ``changed`` (k,), names of what forward and backward passes changed, sorted.

    Parameters, buffers, modes and switches must be as before the first pass. All other state that the model can reach
    (attributes, closures, globals of its code) must be as after the first pass, as that may fill a cache.
    """
    model = subject.model
    fixed = tensors_and_modes(model)
    changed = _pass(subject, subject.x)
    reached = reachable_state(model)
    for images in (subject.noise.flip(0), subject.pgd):
        changed |= _pass(subject, images) | _differing(reached, reachable_state(model))
    changed |= _differing(fixed, tensors_and_modes(model))
    changed |= {
        f"{name or 'the model'} in training mode" for name, each in model.named_modules() if each.training
    }
    return {"changed": np.array(sorted(changed), dtype=np.str_)}


def _pass(subject: ProbedModel, images: torch.Tensor) -> set[str]:
    """Forward passes without and with gradients, and one backward; returns the changed images and switches."""
    changed: set[str] = set()
    for graph in (False, True):
        given = images.clone()
        with torch.set_grad_enabled(graph):
            before = switches()
            subject.model(given)
            changed |= _differing(before, switches())
        if not torch.equal(given, images):
            changed.add("the image itself")
    if not subject.gradient_fault:
        gradient(subject.model, images, subject.y)
    return changed


def _differing(before: dict[str, str], after: dict[str, str]) -> set[str]:
    names = before.keys() | after.keys()
    return {name for name in names if before.get(name) != after.get(name)}


def reload(subject: ProbedModel) -> dict[str, np.ndarray]:
    """C30: changes of the logits after toggling modes, and of the gradient when it is computed twice.

    ``reload_difference`` (3, n): largest change of a logit, as a share of the largest. In a copy of the model as its
    author made it, after ``train()`` and ``eval()``; from that copy to the deployed model; and from the deployed model
    to a fresh one, on attacked images that the fresh one has never seen. ``reload_fault``: what a second backward pass
    raises, or "".
    """
    device = subject.x.device
    with torch.no_grad():  # a TorchScript module's copy would else be computed from it
        mine = copy.deepcopy(subject.raw).to(device).eval()
    before = ask(mine, subject.x).double()
    after = ask(mine.train().eval(), subject.x).double()
    fresh = deploy(subject.raw).to(device)
    unused = ask(fresh, subject.pgd).double()
    rows = (
        _share(before, after),
        _share(after, ask(subject.model, subject.x).double()),
        _share(unused, ask(subject.model, subject.pgd).double()),
    )
    return {
        "reload_difference": np.stack(rows),
        "reload_fault": np.array("" if subject.gradient_fault else _second_backward(fresh, subject)),
    }


def _share(a: torch.Tensor, b: torch.Tensor) -> np.ndarray:
    scale = torch.nan_to_num(a.abs()).max().clamp_min(torch.finfo(torch.float64).tiny)
    alike = (a == b) | (torch.isnan(a) & torch.isnan(b))
    change = torch.where(alike, 0.0, (a - b).abs() / scale).amax(1)
    return torch.nan_to_num(change, nan=torch.inf).cpu().numpy()


def _second_backward(model: nn.Module, subject: ProbedModel) -> str:
    """As foolbox and ART do: ``backward()`` through the whole graph, on one model twice."""
    try:
        for _ in range(2):
            images = subject.x.clone().requires_grad_()
            nn.functional.cross_entropy(model(images), subject.y).backward()
    except RuntimeError as fault:
        return str(fault).splitlines()[0][:300]
    return ""
