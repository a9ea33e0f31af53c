"""The model that an audit probes, and the images for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from bench.attacks.losses import broken, margin
from bench.engine.seeding import seed_of

EPS = 8 / 255  # radius of the points around an image; the same for every grid of the evaluation
STEPS = 50
LEAST = 10  # fewest steps, also if every image is broken

Images = Float[Tensor, "n c h w"]


class Answer(NamedTuple):
    """Logits (n, classes) and the gradient of a loss by the images (n, c, h, w)."""

    logits: Tensor
    slope: Images


@dataclass
class ProbedModel:
    """A model with the images of its probes.

    Attributes:
        model: deployed: frozen, in eval mode, on the device of ``x``.
        raw: a fresh instance as its author built it, never called.
        x: images (n, c, h, w), float32 in [0, 1].
        y: labels (n,), int64.
        all_x, all_y: all available images, ``x`` and ``y`` first.
        group: name of the symmetry the model declares; ``None`` for none.
        seed: of the random points.
    """

    model: nn.Module
    raw: nn.Module
    x: Float[Tensor, "n c h w"]
    y: Int64[Tensor, " n"]
    all_x: Float[Tensor, "m c h w"]
    all_y: Int64[Tensor, " m"]
    group: str | None
    seed: int

    @cached_property
    def noise(self) -> Float[Tensor, "n c h w"]:
        """A uniform point of each image's ball."""
        drawn = torch.rand(
            self.x.shape, generator=torch.Generator().manual_seed(seed_of(self.seed, "noise"))
        ).to(self.x)
        return (self.x + EPS * (2 * drawn - 1)).clamp(0, 1)

    def first(self, n: int, model: nn.Module) -> ProbedModel:
        """A model that gives the same answers, with no more than the first n images and what is known of them."""
        few = replace(self, model=model, x=self.x[:n], y=self.y[:n])
        few.noise = self.noise[:n]
        few._walked = self._walked if isinstance(self._walked, str) else self._walked.first(n)
        return few

    @cached_property
    def clean(self) -> Answer:
        """The model's output for the images, with the cross-entropy's gradient; raises the model's exceptions."""
        return answer(self.model, self.x, self.y)

    @cached_property
    def near(self) -> Answer:
        """The same at ``noise``."""
        return answer(self.model, self.noise, self.y)

    @cached_property
    def near_margin(self) -> Answer:
        """The same at ``noise`` with the margin's gradient."""
        return answer(self.model, self.noise, self.y, of_margin=True)

    @property
    def fgsm(self) -> Float[Tensor, "n c h w"]:
        """One step of ε, or the noise if there is no gradient."""
        return self.noise if self.path is None else self.path.fgsm

    @property
    def pgd(self) -> Float[Tensor, "n c h w"]:
        """The last iterate of PGD, or the noise if there is no gradient."""
        return self.noise if self.path is None else self.path.pgd

    @property
    def path(self) -> Path | None:
        """PGD's path from the images; ``None`` if PGD fails."""
        return self._walked if isinstance(self._walked, Path) else None

    @property
    def gradient_fault(self) -> str:
        """The exception of a gradient on the path; empty for none."""
        return self._walked if isinstance(self._walked, str) else ""

    @cached_property
    def _walked(self) -> Path | str:
        try:
            return walk(self.model, self.x, self.y, self.noise - self.x, self.clean)
        except (Exception, SystemExit) as fault:  # any exception of the model is the finding
            return told(fault)


@dataclass(frozen=True, eq=False)
class Path:
    """The path of PGD from the images themselves, ε = 8/255, 50 steps of 2.5·ε/50.

    It ends after 10 steps or more when every image has been broken.

    Attributes:
        fgsm: one step of ε instead, (n, c, h, w).
        pgd: the last iterate, (n, c, h, w).
        margin: largest other logit minus the label's at each iterate, (steps + 1, n).
        standing: classified rightly with finite logits at each iterate, (steps + 1, n).
    """

    fgsm: Float[Tensor, "n c h w"]
    pgd: Float[Tensor, "n c h w"]
    margin: Float[Tensor, "steps n"]
    standing: Bool[Tensor, "steps n"]

    def first(self, n: int) -> Path:
        """That of the first n images."""
        return Path(self.fgsm[:n], self.pgd[:n], self.margin[:, :n], self.standing[:, :n])


def walk(model: nn.Module, x: Images, y: Int64[Tensor, " n"], fallback: Images, first: Answer) -> Path:
    """Runs FGSM and PGD on the cross-entropy; without a usable gradient it follows ``fallback``.

    One pass a step: the logits come with the gradient. ``first`` is the answer at the images.
    """
    fgsm = (x + EPS * signs(first.slope, fallback)).clamp(0, 1)
    at, here = x, first
    margins, standing = [margin(here.logits.double(), y)], [~broken(here.logits, y)]
    while len(margins) <= LEAST or (len(margins) <= STEPS and torch.stack(standing).all(0).any()):
        moved = at + 2.5 * EPS / STEPS * signs(here.slope, fallback)
        at = (x + (moved - x).clamp(-EPS, EPS)).clamp(0, 1)
        here = answer(model, at, y)
        margins.append(margin(here.logits.double(), y))
        standing.append(~broken(here.logits, y))
    return Path(fgsm, at, torch.stack(margins), torch.stack(standing))


def ask(model: nn.Module, x: Images, *, graph: bool = False) -> Tensor:
    """The logits of a copy of the images, detached; with ``graph`` gradients are on, as in an attack."""
    with torch.set_grad_enabled(graph):
        return model(x.detach().clone().requires_grad_(graph)).detach()


def answer(model: nn.Module, x: Images, y: Int64[Tensor, " n"], *, of_margin: bool = False) -> Answer:
    """Logits with the gradient by the images of the summed cross-entropy, or margin; raises what the model raises."""
    with torch.enable_grad():
        images = x.detach().clone().requires_grad_()
        logits = model(images)
        loss = (
            margin(logits, y).sum() if of_margin else nn.functional.cross_entropy(logits, y, reduction="sum")
        )
        (found,) = torch.autograd.grad(loss, images)
    return Answer(logits.detach(), found.detach())


def gradient(model: nn.Module, x: Images, y: Int64[Tensor, " n"], *, of_margin: bool = False) -> Images:
    """The gradient of ``answer`` alone."""
    return answer(model, x, y, of_margin=of_margin).slope


def told(fault: BaseException) -> str:
    """A fault in one line."""
    return f"{type(fault).__name__}: {fault}".splitlines()[0][:300]


def signs(of: Images, fallback: Images) -> Images:
    """Signs of a gradient, and of ``fallback`` on images where it is not finite or 0 throughout."""
    usable = torch.isfinite(of).flatten(1).all(dim=1) & (of != 0).flatten(1).any(dim=1)
    return torch.where(usable[:, None, None, None], of, fallback).sign()
