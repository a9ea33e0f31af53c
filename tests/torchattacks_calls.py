"""Calls of the torchattacks adapters with few steps, and what to call them on."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from bench.attacks import with_torchattacks as adapters
from bench.engine.balls import distance

SEED = 5
STEPS = 10
QUERIES = 200
BALLS = ("linf", "l2")
SEEDED = ("apgd_ce", "apgd_dlr", "apgd_t", "square", "autoattack")
ALL = ("pgd", "pgd_t", "eot_pgd", *SEEDED, "fab_t")
SLOW = ("autoattack",)
CALLS = [
    (name, norm) for name in ALL if name not in SLOW for norm in (("linf",) if name == "eot_pgd" else BALLS)
]


def call(name: str, model: nn.Module, x: Tensor, y: Tensor, norm: str, eps: float, **changes: Any) -> Tensor:
    """An adapter with few steps or queries; a targeted one aims at the likeliest wrong class."""
    own: dict[str, Any] = {"fgsm": {}, "square": {"queries": QUERIES}}
    params = own.get(name, {"steps": STEPS})
    if name in ("pgd", "pgd_t", "eot_pgd"):
        params |= {"alpha": eps / 4, "random_start": True}
    if name == "pgd_t":
        params["target"] = model(x).scatter(1, y[:, None], -torch.inf).argmax(1)
    if name == "eot_pgd":
        params["eot"] = 3
    if name in SEEDED:
        params["seed"] = SEED
    return getattr(adapters, name)(model, x, y, norm=norm, eps=eps, **params | changes)


def broken(model: nn.Module, attacked: Tensor, y: Tensor) -> Tensor:
    return model(attacked).argmax(1) != y


def check_in_ball(x: Tensor, attacked: Tensor, norm: str, eps: float) -> None:
    slack = 1e-6 if norm == "linf" else 1e-5 * eps
    assert float(distance(x, attacked, norm).max()) <= eps + slack
    assert float(attacked.min()) >= 0
    assert float(attacked.max()) <= 1


class Blocks(nn.Module):
    """Logit k is the sum of w·(x − ½) over the k-th block of pixels: every pixel matters to one class only."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, x: Tensor) -> Tensor:
        return (x - 0.5).flatten(1) @ self.weight.T


def blocks_problem(classes: int, n: int) -> tuple[Blocks, Tensor, Tensor, dict[str, Tensor]]:
    """A linear model of many classes, images around mid-grey, its own labels, and what each image withstands.

    In norm p the radius is the least (z_y − z_k)/‖w_y − w_k‖_q over the wrong classes k, q the dual of p.
    """
    generator = torch.Generator().manual_seed(0)
    size = 64 // classes
    weight = torch.zeros(classes, 64)
    for k in range(classes):
        weight[k, k * size : (k + 1) * size] = 0.5 + torch.rand(size, generator=generator)
    model = Blocks(weight).requires_grad_(False).eval()
    x = 0.5 + 0.2 * (torch.rand(n, 1, 8, 8, generator=generator) - 0.5)
    logits = model(x)
    y = logits.argmax(1)
    gap = logits.gather(1, y[:, None]) - logits
    slope = weight[y][:, None] - weight[None]
    radius = {}
    for norm, dual in (("linf", 1), ("l2", 2)):
        ratio = gap / slope.norm(p=dual, dim=2)
        radius[norm] = ratio.scatter(1, y[:, None], torch.inf).amin(1)
    return model, x, y, radius


def small_net(classes: int = 10, channels: int = 3) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(channels, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 36, classes)
        )  # fmt: skip
    return net.requires_grad_(False).eval()


def own_images(model: nn.Module, n: int = 12, channels: int = 3) -> tuple[Tensor, Tensor]:
    """Random images with the model's own labels, the first ones at the very ends of the box."""
    x = torch.rand(n, channels, 8, 8, generator=torch.Generator().manual_seed(1))
    x[: n // 3] = x[: n // 3].round()
    return x, model(x).argmax(1)
