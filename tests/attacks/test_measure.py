"""Cells of models whose robustness is known in closed form, and the state that a cell must not change."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.attacks import ATTACKS, library_version
from bench.attacks.measure import KEPT_IMAGES, measure
from bench.engine.seeding import seed_of, seeded
from bench.errors import CellError
from tests.toys import Linear, attack_cell, clean_cell, linear_problem

EXACT = ("fgsm", "pgd", "pgd_t", "pgd_margin", "eot_pgd")  # for two classes they all follow one gradient
CALLS = [
    (name, library, norm) for (name, library), spec in ATTACKS.items() for norm in spec.norms if name in EXACT
]


def cell_for(name: str, library: str, norm: str, eps: float, **params: Any) -> Any:
    spec = ATTACKS[name, library]
    short = {"alpha": 2.5 * eps / 5, "steps": 5, "random_start": False, "eot": 2, **params}
    kept = {key: short.get(key, value) for key, value in spec.params.items()}
    cell = attack_cell(attack=name, library=library_version(library, name), norm=norm, eps=eps)
    return cell.derive(params=tuple(sorted(kept.items())))


@pytest.mark.parametrize(("name", "library", "norm"), CALLS)
def test_every_attack_finds_a_linear_models_exact_radius(name: str, library: str, norm: str) -> None:
    """For a linear model one gradient is optimal, so robust means radius > ε, image by image."""
    model, x, y, radius = linear_problem()
    if norm == "l2":
        radius = model(x)[:, 1].abs() / model.weight.norm()
    if norm == "l1":  # foolbox follows the gradient's direction, and not its largest entry
        radius = model(x)[:, 1].abs() * model.weight.abs().sum() / model.weight.square().sum()
    for share in (0.25, 0.99, 1.5):
        eps = share * float(radius.median())
        result = measure(cell_for(name, library, norm, eps), model, x, y, np.ones(len(x), dtype=bool))
        assert np.array_equal(result.arrays["standing"], (radius > eps).numpy())
        assert np.nanmax(result.arrays["distance"]) <= eps * (1 + 1e-5) + 1e-6


def test_clean_cell_holds_the_models_own_view() -> None:
    model, x, y, _ = linear_problem()
    wrong = 1 - y[:10]
    result = measure(clean_cell(), model, x, torch.cat([wrong, y[10:]]), None)
    assert not result.arrays["standing"][:10].any()
    assert result.arrays["standing"][10:].all()
    score = model(x)[:, 1]
    share = torch.sigmoid(torch.where(torch.cat([wrong, y[10:]]) == 1, -score, score))
    expected = (share * model.weight.abs().sum()).double().numpy()
    assert np.allclose(result.arrays["grad_norm"], expected, rtol=1e-4)
    assert np.array_equal(result.arrays["image"], x[:KEPT_IMAGES].numpy())


def test_only_standing_images_are_attacked() -> None:
    model, x, y, _ = linear_problem()
    standing = np.arange(len(x)) % 3 == 0
    arrays = measure(attack_cell(eps=0.5, params={"alpha": 0.5}), model, x, y, standing).arrays
    assert np.array_equal(arrays["attacked"], standing)
    assert not arrays["standing"].any()
    assert np.isnan(arrays["distance"][~standing]).all()
    assert (arrays["predicted"][~standing] == -1).all()
    assert np.array_equal(arrays["image_index"], np.flatnonzero(standing[:KEPT_IMAGES]))


def test_nothing_standing_calls_nothing() -> None:
    model, x, y, _ = linear_problem()
    result = measure(attack_cell(), Forbidden(), x, y, np.zeros(len(x), dtype=bool))
    assert result.gradients == 0
    assert not result.arrays["standing"].any()
    assert model is not None


class Forbidden(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise AssertionError("the model was asked")


def test_eps_zero_is_the_clean_accuracy_without_calling_a_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.attacks.measure.adapter", lambda *_: pytest.fail("a library was called"))
    model, x, y, _ = linear_problem()
    for norm in ("linf", "l2"):
        arrays = measure(attack_cell(eps=0.0, norm=norm), model, x, y, np.ones(len(x), dtype=bool)).arrays
        assert arrays["standing"].all()
        assert (arrays["distance"] == 0).all()


def test_the_random_start_depends_on_the_cell_alone() -> None:
    model, x, y, _ = linear_problem()
    cell = attack_cell(params={"random_start": True, "steps": 1, "alpha": 1e-4})
    standing = np.ones(len(x), dtype=bool)
    torch.manual_seed(1)
    first = measure(cell, model, x, y, standing)
    torch.manual_seed(2)
    assert measure(cell, model, x, y, standing).digest == first.digest
    assert measure(cell.derive(seed=1), model, x, y, standing).digest != first.digest
    assert measure(cell.derive(first=100), model, x, y, standing).digest != first.digest


class Maze(nn.Module):
    """Right (class 0) unless the image lies near one of few points: a random start may or may not find it."""

    def forward(self, x: Tensor) -> Tensor:
        score = torch.sin(40 * x.flatten(1)).sum(1) - 3.0
        return torch.stack([torch.zeros_like(score), score], dim=1)


def test_each_restart_attacks_only_what_still_stands_and_never_loses_a_success() -> None:
    x = torch.full((64, 1, 4, 4), 0.5) + 0.1 * torch.rand(
        64, 1, 4, 4, generator=torch.Generator().manual_seed(0)
    )
    y = torch.zeros(64, dtype=torch.int64)
    standing = (Maze()(x).argmax(1) == 0).numpy()
    results = {}
    for restarts in (1, 2, 5):
        params = {"random_start": True, "steps": 2, "alpha": 0.01, "restarts": restarts}
        results[restarts] = measure(attack_cell(eps=0.03, params=params), Maze(), x, y, standing)
    broken = {r: ~result.arrays["standing"] & standing for r, result in results.items()}
    assert broken[1].sum() < broken[5].sum()
    assert not (broken[1] & ~broken[2]).any()
    assert not (broken[2] & ~broken[5]).any()
    first_round, left = 2 * int(standing.sum()), int(standing.sum() - broken[1].sum())
    assert results[2].gradients == first_round + 2 * left


@pytest.mark.parametrize(("name", "library", "norm"), CALLS)
def test_an_attack_leaves_model_images_and_random_state_alone(name: str, library: str, norm: str) -> None:
    torch.manual_seed(3)
    np.random.seed(3)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3))
    net.train()
    for _ in range(3):
        net(torch.rand(16, 1, 8, 8))
    net.requires_grad_(False).eval()
    x, y = torch.rand(8, 1, 8, 8), torch.randint(0, 3, (8,))
    state, images = copy.deepcopy(net.state_dict()), x.clone()
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()
    cell = cell_for(name, library, norm, 0.1, random_start=True).derive(count=8)
    measure(cell, net, x, y, np.ones(8, dtype=bool))
    assert all(torch.equal(value, net.state_dict()[key]) for key, value in state.items())
    assert not any(module.training for module in net.modules())
    assert all(parameter.grad is None for parameter in net.parameters())
    assert torch.equal(x, images)
    assert torch.equal(torch.get_rng_state(), torch_state)
    after = np.random.get_state()
    assert np.array_equal(np.asarray(numpy_state[1]), np.asarray(after[1]))


def test_a_fault_on_the_attacks_side_names_itself() -> None:
    class Faulty(Linear):
        def forward(self, x: Tensor) -> Tensor:
            if x.requires_grad:
                raise RuntimeError("no gradients here\nand more lines")
            return super().forward(x)

    model, x, y, _ = linear_problem()
    faulty = Faulty(model.weight.detach()).eval().requires_grad_(False)
    with pytest.raises(
        CellError, match=r"^torchattacks==3\.5\.1 pgd raised RuntimeError: no gradients here$"
    ):
        measure(attack_cell(), faulty, x, y, np.ones(len(x), dtype=bool))


def test_logits_that_turn_nan_under_attack_break_the_image() -> None:
    class Fragile(Linear):
        def forward(self, x: Tensor) -> Tensor:
            logits = super().forward(x)
            moved = (x - clean[: len(x)]).abs().flatten(1).amax(1) > 0.01
            return torch.where(moved[:, None], float("nan"), logits)

    model, x, y, _ = linear_problem()
    clean = x.clone()
    fragile = Fragile(model.weight.detach()).eval().requires_grad_(False)
    cell = attack_cell(attack="fgsm", eps=0.02).derive(params=())
    arrays = measure(cell, fragile, x, y, np.ones(len(x), dtype=bool)).arrays
    assert arrays["nonfinite"].all()
    assert not arrays["standing"].any()


def test_seeds_are_pinned() -> None:
    assert seed_of(0, 100, "pgd", 0.1, 0) == SEED
    assert seed_of(0, 100, "pgd", 0.1, 1) != SEED


SEED = 3500721056819475375


def test_seeded_restores_after_an_error() -> None:
    def fail() -> None:
        with seeded(torch.device("cpu"), 1):
            torch.rand(3)
            raise ZeroDivisionError

    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError):
        fail()
    assert torch.equal(torch.get_rng_state(), before)
