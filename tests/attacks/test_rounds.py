"""Restarts and targets in one batch, as on a GPU: the same outcomes as one after another, in fewer calls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import zoo
from bench.attacks import rounds
from bench.attacks.measure import measure, spec_of
from bench.attacks.outcomes import AttackOutcomes
from bench.attacks.request import BUDGET
from bench.engine.judge import ask_again
from bench.inputs.sources import deployed
from tests.toys import attack_cell, linear_problem

MODEL, X, Y, RADIUS = linear_problem(64)
EPS = 1.001 * float(RADIUS.median())  # no image lies on the bound itself
ALL = np.ones(64, dtype=bool)
CUDA = torch.device("cuda")


class Watched(nn.Module):
    """The toy model; keeps the size of each batch with gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.model, self.seen = MODEL, []
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        if x.requires_grad:
            self.seen.append(len(x))
        return self.model(x)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds share batches on this CPU too."""
    decide = rounds.at_once
    monkeypatch.setattr(rounds, "at_once", lambda cell, spec, model, _: decide(cell, spec, model, CUDA))


def arrays(model: nn.Module, x: Tensor, y: Tensor, **changes: Any) -> dict[str, np.ndarray]:
    return measure(attack_cell(count=len(x), **changes), model, x, y, np.ones(len(x), dtype=bool)).arrays


@pytest.mark.usefixtures("at_once")
def test_batches_are_as_many_rounds_as_the_cell_has_room_for() -> None:
    model, steps = Watched(), 5
    found = arrays(model, X, Y, eps=EPS, params={"restarts": 8, "steps": steps, "alpha": EPS / 2})
    left = int((RADIUS >= EPS).sum())
    assert np.array_equal(found["standing"], (RADIUS >= EPS).numpy())  # closed form
    together = 64 // left
    full, rest = divmod(7, together)
    assert together > 1
    assert model.seen[::steps] == [64, *[left * together] * full, *[left * rest] * (rest > 0)]


@pytest.mark.parametrize("attack", ["pgd", "pgd_t", "foolbox:pgd"])
def test_without_random_starts_the_outcomes_are_those_of_one_after_another(
    attack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = zoo.data.load("digits", "test")
    x, y = digits.images(0, 40), digits.targets(0, 40)
    model = deployed(zoo.load("baseline_cnn_4"), "cpu")
    library, _, name = f"torchattacks:{attack}".rpartition(":")
    version = {"torchattacks": "torchattacks==3.5.1", "foolbox": "foolbox==3.3.4"}[library.rpartition(":")[2]]
    params = {"restarts": 3, "steps": 4, **({"targets": 4} if attack == "pgd_t" else {})}
    cell = attack_cell(count=40, attack=name, library=version, eps=0.15, params=params)
    standing = np.ones(40, dtype=bool)
    apart = measure(cell, model, x, y, standing).arrays
    decide = rounds.at_once
    monkeypatch.setattr(rounds, "at_once", lambda cell, spec, model, _: decide(cell, spec, model, CUDA))
    together = measure(cell, model, x, y, standing).arrays
    assert 0 < apart["standing"].sum() < 40
    for column in ("standing", "attacked", "predicted", "silent"):
        assert np.array_equal(apart[column], together[column])
    assert apart["distance"] == pytest.approx(together["distance"], abs=1e-6)
    assert apart["image"] == pytest.approx(together["image"], abs=1e-6)


def test_the_first_round_that_breaks_an_image_counts() -> None:
    """Three images, three rounds in one call: broken by the second, by the first and third, by none."""
    outcomes = AttackOutcomes(X[:4], Y[:4], torch.tensor([True, True, False, True]))
    left = outcomes.left()
    assert left.tolist() == [0, 1, 3]
    broken = torch.tensor([[0, 1, 0], [1, 0, 0], [0, 1, 0]], dtype=torch.bool)
    images = torch.stack([torch.full_like(X[0], float(value)) for value in range(9)])
    labels = Y[left].repeat(3)
    verdict = ask_again(MODEL, images, labels)
    verdict.right.copy_(~broken.flatten())
    verdict.loss.copy_(torch.arange(9.0))
    outcomes.record(left, images, verdict, torch.zeros(9, dtype=torch.bool))
    assert outcomes.standing.tolist() == [False, False, False, True]
    assert outcomes.columns["loss"].tolist() == pytest.approx([3, 1, np.nan, 8], nan_ok=True)
    assert outcomes.images[[0, 1, 3]].mean(dim=(1, 2, 3)).tolist() == [3, 1, 8]
    assert torch.equal(outcomes.images[2], X[2])


@pytest.mark.usefixtures("at_once")
def test_rounds_of_one_batch_have_starts_of_their_own() -> None:
    starts: list[Tensor] = []

    class First(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if x.requires_grad:
                starts.append(x.detach().clone())
            return MODEL(x)

    fit = RADIUS.argsort(descending=True)[:8]
    measure(
        attack_cell(count=64, eps=1e-4, params={"restarts": 5, "steps": 1, "random_start": True}),
        First().eval(), X, Y, np.isin(np.arange(64), fit),
    )  # fmt: skip
    (batch,) = starts
    assert len(batch) == 40
    moved = batch.view(5, 8, -1) - X[fit.sort().values].view(1, 8, -1)
    assert moved.abs().max() <= 1e-4 + 1e-7
    for one in range(5):
        for other in range(one):
            assert (moved[one] - moved[other]).abs().mean() == pytest.approx(1e-4 * 2 / 3, rel=0.2)


def test_rounds_share_a_batch_only_where_nothing_depends_on_it() -> None:
    cell = attack_cell()
    spec = spec_of(cell)
    assert rounds.at_once(cell, spec, MODEL, CUDA)
    assert not rounds.at_once(cell, spec, MODEL, torch.device("cpu"))
    assert not rounds.at_once(cell, spec, nn.Sequential(MODEL, nn.Dropout().train()), CUDA)
    assert not rounds.at_once(attack_cell(params={BUDGET: 100}), spec, MODEL, CUDA)
    own = attack_cell(attack="mine", library="own")
    assert not rounds.at_once(own, spec_of(own), MODEL, CUDA)
    nearest = attack_cell(attack="deepfool", library="foolbox", norm="l2", eps=None)
    assert not rounds.at_once(nearest, spec_of(nearest), MODEL, CUDA)
