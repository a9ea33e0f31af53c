"""The largest estimated cost of a plan, against the counted cost of the attacks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.attacks import ATTACKS, library_version, parse_requests
from bench.attacks.cost import FORWARD, passes
from bench.attacks.measure import measure
from tests.toys import attack_cell, marks_of
from zoo import data

N = 4
SHORT = {"steps": 3, "eot": 2, "restarts": 2, "targets": 2, "queries": 20, "rotations": 3, "translations": 3}
AIMED = ("apgd_t", "fab_t", "autoattack", "pgd_t")


class Recording(nn.Module):
    """A linear model that counts how many images it is asked about, with gradients and without."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.layer = nn.Linear(256, classes)
        nn.init.normal_(self.layer.weight, generator=torch.Generator().manual_seed(0))
        self.gradients = self.looks = 0
        self.requires_grad_(False).eval()

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() and x.requires_grad:
            self.gradients += len(x)
        else:
            self.looks += len(x)
        return self.layer(x[:, 0].flatten(1))


def counted(name: str, library: str, norm: str, classes: int, **params: int) -> tuple[float, float]:
    """Gradients and looks an image, where every image stands to the end, and what was foretold."""
    spec, model = ATTACKS[name, library], Recording(classes)
    x = data.load("digits", "test").images(0, N)
    x = x.expand(-1, 3, -1, -1) if name == "ti_fgsm" else x
    y = model(x).argmax(1)
    chosen = {key: value for key, value in (SHORT | params).items() if key in spec.params}
    (request,) = parse_requests([f"{library}:{name}"], norm=norm or "linf", params=chosen)
    eps = (1.0 if norm == "l0" else 1e-6) if spec.threat == "ball" else None
    cell = attack_cell(
        attack=name, library=library_version(library, name), norm=norm or None, eps=eps, count=N
    ).derive(params=request.params_at(eps))
    model.gradients = model.looks = 0
    measure(cell, model, x, y, np.ones(N, dtype=bool))
    return (model.gradients + FORWARD * model.looks) / N, passes(request, classes)


ALL = [
    pytest.param(name, library, norm, marks=marks_of(spec))
    for (name, library), spec in ATTACKS.items()
    for norm in (spec.norms or ("",))
    if name not in (*AIMED, "transfer", "autoattack_plus", "autoattack_rand")
    and (name, norm) != ("square", "l2")
]


@pytest.mark.parametrize(("name", "library", "norm"), ALL)
def test_no_attack_takes_more_than_foretold(name: str, library: str, norm: str) -> None:
    for steps in (3, 10):
        taken, most = counted(name, library, norm, 10, steps=steps)
        assert 0 < taken <= most


@pytest.mark.parametrize("classes", [5, 10, 40])
@pytest.mark.parametrize("name", AIMED)
def test_attacks_aimed_at_classes_take_what_is_foretold(
    name: str, classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten_square(monkeypatch, queries=30)
    taken, most = counted(name, "torchattacks", "linf", classes, steps=5)
    if name == "autoattack":
        most -= (5000 - 30) * FORWARD
    assert taken <= most <= 1.35 * taken


@pytest.mark.parametrize(
    ("name", "library", "norm"),
    [
        ("autoattack_plus", "torchattacks", "linf"),
        ("autoattack_rand", "torchattacks", "l2"),
        ("autoattack", "symbench", "l1"),
        ("apgd_t", "symbench", "l1"),
        ("fab_t", "torchattacks", "l1"),
    ],
)
@pytest.mark.parametrize("classes", [5, 12])
def test_versions_of_autoattack_take_no_more_than_foretold(
    name: str, library: str, norm: str, classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten_square(monkeypatch, queries=30)
    monkeypatch.setattr("bench.attacks.autoattack_l1.QUERIES", 30)
    taken, most = counted(name, library, norm, classes, steps=5)
    black_boxes = {"autoattack_plus": 1, "autoattack": 1}.get(name, 0)
    assert 0 < taken <= most - black_boxes * (5000 - 30) * FORWARD


def shorten_square(monkeypatch: pytest.MonkeyPatch, queries: int) -> None:
    """AutoAttack's own 5,000 queries would take seconds and test nothing more."""
    import torchattacks

    made: Callable[..., None] = torchattacks.Square.__init__

    def short(self: object, *words: object, **params: object) -> None:
        made(self, *words, **{**params, "n_queries": queries})

    monkeypatch.setattr(torchattacks.Square, "__init__", short)
