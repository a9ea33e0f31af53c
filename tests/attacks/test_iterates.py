"""Iterates before the last one: silent successes, targets, and attacks without a ball."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.attacks import measure as measuring
from bench.attacks.iterates import Watch
from bench.attacks.measure import measure
from tests.toys import Linear, attack_cell, linear_problem

ALL = np.ones(4, dtype=bool)


class Band(nn.Module):
    """Wrong only where the mean of an image lies between 0.55 and 0.6."""

    def forward(self, x: Tensor) -> Tensor:
        mean = x.flatten(1).mean(dim=1)
        wrong = (mean > 0.55) & (mean < 0.6)
        return torch.stack([torch.where(wrong, -1.0, 1.0), torch.zeros_like(mean)], dim=1)


def through(*levels: float) -> Callable[..., Tensor]:
    """An attack that asks the model at some grey levels, and returns the last one."""

    def attack(model: nn.Module, x: Tensor, y: Tensor, **_: Any) -> Tensor:
        for level in levels:
            model(torch.full_like(x, level))
        return torch.full_like(x, levels[-1])

    return attack


@pytest.mark.parametrize(
    ("levels", "best", "standing", "silent"),
    [
        ((0.57, 0.64), False, True, True),  # the last iterate left the band again
        ((0.57, 0.64), True, False, True),
        ((0.52, 0.64), True, True, False),  # never in the band
        ((0.52, 0.58), False, False, False),  # no secret: the last iterate is in it
    ],
)
def test_an_iterate_on_the_way_counts_only_if_asked_to(
    monkeypatch: pytest.MonkeyPatch, levels: tuple[float, ...], best: bool, standing: bool, silent: bool
) -> None:
    monkeypatch.setattr(measuring, "adapter", lambda name, library: through(*levels))
    x, y = torch.full((4, 1, 8, 8), 0.5), torch.zeros(4, dtype=torch.int64)
    cell = attack_cell(count=4, eps=0.15, params={"best_iterate": best})
    arrays = measure(cell, Band(), x, y, ALL).arrays
    assert arrays["standing"].tolist() == [standing] * 4
    assert arrays["silent"].tolist() == [silent] * 4
    assert np.allclose(arrays["image"], levels[0] if best and silent else levels[-1])


def test_an_iterate_outside_the_ball_breaks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "adapter", lambda name, library: through(0.57, 0.53))
    x, y = torch.full((4, 1, 8, 8), 0.5), torch.zeros(4, dtype=torch.int64)
    arrays = measure(attack_cell(count=4, eps=0.05, params={"best_iterate": True}), Band(), x, y, ALL).arrays
    assert arrays["standing"].all()
    assert not arrays["silent"].any()


def test_a_watch_counts_gradients_and_leaves_the_model_as_it_was() -> None:
    model, x, y, _ = linear_problem(8)
    watch = Watch(model, x, y, norm="linf", eps=None, accepted=1e-6)
    with watch:
        model(x)
        model(x.clone().requires_grad_())
        with torch.no_grad():
            model(x.clone().requires_grad_())
    assert watch.gradients == 8
    assert not model._forward_hooks
    model(x.clone().requires_grad_())
    assert watch.gradients == 8


def test_a_later_round_that_ends_well_is_no_silent_success(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = iter([(0.57, 0.64), (0.52, 0.58)])
    monkeypatch.setattr(measuring, "adapter", lambda name, library: through(*next(ends)))
    x, y = torch.full((4, 1, 8, 8), 0.5), torch.zeros(4, dtype=torch.int64)
    arrays = measure(attack_cell(count=4, eps=0.15, params={"restarts": 2}), Band(), x, y, ALL).arrays
    assert not arrays["standing"].any()
    assert not arrays["silent"].any()


def test_targets_are_the_likeliest_wrong_classes_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    aimed: list[list[int]] = []

    def attack(model: nn.Module, x: Tensor, y: Tensor, *, target: Tensor, **_: Any) -> Tensor:
        aimed.append(target.tolist())
        return x.clone()

    class Ranked(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.tensor([[0.0, 3.0, 9.0, 1.0], [5.0, 9.0, 4.0, 4.5]])[: len(x)]

    monkeypatch.setattr(measuring, "adapter", lambda name, library: attack)
    x, y = torch.full((2, 1, 8, 8), 0.5), torch.tensor([2, 1])
    cell = attack_cell(count=2, attack="pgd_t", params={"targets": 9, "restarts": 2})
    measure(cell, Ranked(), x, y, ALL[:2])
    assert aimed == [[1, 0], [3, 3], [0, 2]] * 2


def test_a_minimum_norm_attack_gives_distances_and_the_judge_measures_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Half the images are carried just over the boundary of a linear model, the others stay where they are."""
    model, x, y, radius = linear_problem(8)
    sign = torch.where(y == 1, -1.0, 1.0)[:, None, None, None] * model.weight.sign()

    def attack(model: Linear, x: Tensor, y: Tensor, *, norm: str, steps: int) -> Tensor:
        moved = x + 1.01 * radius[:, None, None, None] * sign
        return torch.where((torch.arange(8) % 2 == 0)[:, None, None, None], moved, x)

    monkeypatch.setattr(measuring, "adapter", lambda name, library: attack)
    cell = attack_cell(count=8, attack="fmn", library="foolbox==3.3.4", eps=None).derive(
        params=(("steps", 5),)
    )
    arrays = measure(cell, model, x, y, np.ones(8, dtype=bool)).arrays
    assert np.allclose(arrays["distance"][::2], 1.01 * radius[::2].double(), rtol=1e-4)
    assert np.isnan(arrays["distance"][1::2]).all()
    assert arrays["standing"].tolist() == [False, True] * 4
