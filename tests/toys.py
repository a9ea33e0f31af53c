"""Small models and images whose robustness is known in closed form."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.attacks import AttackSpec
from bench.engine.cell import Cell


def marks_of(spec: AttackSpec) -> tuple[pytest.MarkDecorator, ...]:
    """Those of the tests of an attack: one that needs a package is slow, and left out where that is missing."""
    if not spec.needs:
        return ()
    return pytest.mark.slow, pytest.mark.skipif(not spec.installed, reason=f"{spec.needs} is not installed")


class Linear(nn.Module):
    """Two classes with logits (0, w·(x − ½) + b): robust at ε in L∞ exactly if |margin| > ε·‖w‖₁."""

    def __init__(self, weight: Tensor, bias: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.tensor(bias))

    def forward(self, x: Tensor) -> Tensor:
        score = (x - 0.5).flatten(1) @ self.weight.flatten() + self.bias
        return torch.stack([torch.zeros_like(score), score], dim=1)


def linear_problem(n: int = 64, seed: int = 0) -> tuple[Linear, Tensor, Tensor, Tensor]:
    """A linear model, images around mid-grey, its own labels, and the L∞ radius each image withstands."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(1, 8, 8, generator=generator)
    x = 0.5 + 0.2 * (torch.rand(n, 1, 8, 8, generator=generator) - 0.5)
    model = Linear(weight).requires_grad_(False).eval()
    margin = model(x)[:, 1]
    return model, x, (margin > 0).long(), margin.abs() / weight.abs().sum()


def attack_cell(**changes: Any) -> Cell:
    """A PGD cell whose fields can be changed by name; ``params`` as a dictionary is merged into PGD's."""
    params = {"steps": 5, "alpha": 0.01, "alpha_rule": "absolute", "random_start": False, "restarts": 1}
    params.update(changes.pop("params", {}))
    fields: dict[str, Any] = {
        "kind": "attack",
        "model": "toy",
        "weights": "w",
        "dataset": "toys",
        "data": "d",
        "first": 0,
        "count": 64,
        "attack": "pgd",
        "library": "torchattacks==3.5.1",
        "params": tuple(sorted(params.items())),
        "norm": "linf",
        "eps": 0.02,
        "seed": 0,
        "protocol": "sound/1",
        "backend": "cpu",
        "parent": "p:d",
        **changes,
    }
    return Cell(**fields)


def clean_cell(**changes: Any) -> Cell:
    """A clean cell whose fields can be changed by name."""
    return attack_cell(
        **{
            "kind": "clean",
            "attack": "none",
            "library": "",
            "norm": None,
            "eps": None,
            "parent": None,
            **changes,
        }
    ).derive(params=())
