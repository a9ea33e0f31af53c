"""Noise: where its points lie, and which of them it gives back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from torch import Tensor, nn

from bench.attacks.with_symbench import AT_ONCE, noise
from bench.errors import CellError
from tests.toys import Linear, linear_problem

NORMS = ("linf", "l2", "l1")


class Recorder(nn.Module):
    """Always right with class 0, by a margin that is the first pixel; keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        assert not x.requires_grad
        self.asked.append(x.clone())
        first = 1 + x.flatten(1)[:, 0]
        return torch.stack([first, torch.zeros_like(first)], dim=1)


def distances(x: Tensor, other: Tensor, norm: str) -> np.ndarray:
    order = {"linf": torch.inf, "l2": 2, "l1": 1}[norm]
    return (other.double() - x.double()).flatten(1).norm(p=order, dim=1).numpy()


def asked(norm: str, queries: int, eps: float = 0.1) -> tuple[Tensor, Tensor]:
    """The points one mid-grey image of 16 pixels was tried at, and the one given back."""
    torch.manual_seed(0)
    model, x = Recorder(), torch.full((1, 1, 4, 4), 0.5)
    found = noise(model, x, torch.zeros(1, dtype=torch.int64), norm=norm, eps=eps, queries=queries)
    return torch.cat(model.asked), found


@pytest.mark.parametrize("norm", NORMS)
def test_points_are_uniform_in_the_ball(norm: str) -> None:
    """P(distance ≤ t) = (t/ε)^d in any norm; coordinates have mean 0 and the closed-form variance."""
    points, _ = asked(norm, 4000)
    assert points.shape == (4000, 1, 4, 4)
    share = (distances(torch.full((1, 1, 4, 4), 0.5), points, norm) / 0.1) ** 16
    assert kstest(share, "uniform").pvalue > 0.01
    delta = (points.double() - 0.5).flatten(1) / 0.1
    # of one coordinate: 1/3 in the cube, 1/(d + 2) in the ball, 2/((d + 1)(d + 2)) in that of L1
    variance = {"linf": 1 / 3, "l2": 1 / 18, "l1": 2 / (17 * 18)}[norm]
    assert delta.mean(0).abs().max() < 4 * (variance / 4000) ** 0.5
    assert delta.var(0).numpy() == pytest.approx(variance, rel=0.15 if norm == "l1" else 0.1)
    covariance = torch.cov(delta.T) - torch.diag(delta.var(0))
    assert covariance.abs().max() < 5 * variance / 4000**0.5


def test_a_coordinate_of_the_cube_is_uniform() -> None:
    points, _ = asked("linf", 4000)
    assert kstest((points[:, 0, 2, 1].numpy() - 0.4) / 0.2, "uniform").pvalue > 0.01


@pytest.mark.parametrize("norm", NORMS)
def test_what_does_not_break_comes_back_with_the_smallest_margin(norm: str) -> None:
    points, found = asked(norm, 3000)
    assert torch.equal(found[0], points[points.flatten(1)[:, 0].argmin()])


@pytest.mark.parametrize("norm", NORMS)
def test_the_first_point_that_breaks_comes_back(norm: str) -> None:
    line = 0.525 if norm == "l1" else 0.535

    class Late(Recorder):
        """Wrong where the second pixel has grown by ever so little more; NaN counts as wrong."""

        def forward(self, x: Tensor) -> Tensor:
            logits = super().forward(x)
            return torch.where(x.flatten(1)[:, 1:2] > line, float("nan"), logits)

    torch.manual_seed(1)
    model, x = Late(), torch.full((1, 1, 4, 4), 0.5)
    found = noise(model, x, torch.zeros(1, dtype=torch.int64), norm=norm, eps=0.1, queries=5000)
    points = torch.cat(model.asked)
    first = (points.flatten(1)[:, 1] > line).nonzero()[0, 0]
    assert first > 0
    assert torch.equal(found[0], points[first])
    assert len(points) == AT_ONCE  # it broke in the first pass; nothing was asked after that


@pytest.mark.parametrize("norm", NORMS)
def test_half_a_ball_is_found_and_a_ball_out_of_reach_is_not(norm: str) -> None:
    """Image 0 lies on the boundary, so half its ball is wrong: missed with a chance of 2⁻⁶⁰."""
    model, x, y, _ = linear_problem()
    weight = model.weight.double()
    score = (x.double() - 0.5).flatten(1) @ weight.flatten()
    radius = score.abs() / weight.flatten().norm(p={"linf": 1, "l2": 2, "l1": torch.inf}[norm])
    normal = weight / weight.norm() ** 2
    x[0] -= (float(score[0]) * normal * (1 - 1e-6)).float()
    eps = float(radius[1:].min()) * 0.999
    found = noise(model, x, y, norm=norm, eps=eps, queries=60)
    assert (model(found).argmax(1) != y).tolist() == [True] + 63 * [False]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("eps", [1e-3, 8 / 255, 2.0])
def test_points_stay_in_the_ball_and_the_box(norm: str, eps: float) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (40, 3, 32, 32), generator=generator) / 255
    model = Recorder()
    torch.manual_seed(0)
    noise(model, x, torch.zeros(40, dtype=torch.int64), norm=norm, eps=eps, queries=30)
    points = torch.cat(model.asked).view(30, 40, 3, 32, 32)
    assert points.min() >= 0
    assert points.max() <= 1
    for batch in points:
        assert distances(x, batch, norm).max() <= eps + 1e-6


@pytest.mark.parametrize("norm", NORMS)
def test_one_images_points_do_not_depend_on_the_others_fate(norm: str) -> None:
    model, x, y, radius = linear_problem(n=AT_ONCE // 2)
    params: dict[str, Any] = {"norm": norm, "eps": float(radius.median()), "queries": 9}
    results = []
    for labels in (y, y, torch.cat([1 - y[:-1], y[-1:]])):
        torch.manual_seed(5)
        results.append(noise(model, x, labels, **params))
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0][-1], results[2][-1])
    assert not torch.equal(results[0][0], results[2][0])


@pytest.mark.parametrize(("n", "queries", "largest"), [(1, 3000, 1024), (100, 25, 1000), (1500, 2, 1500)])
def test_passes_are_bounded_and_every_query_is_asked(n: int, queries: int, largest: int) -> None:
    model = Recorder()
    y = torch.zeros(n, dtype=torch.int64)
    noise(model, torch.rand(n, 1, 4, 4), y, norm="linf", eps=0.1, queries=queries)
    assert sum(len(each) for each in model.asked) == n * queries
    assert max(len(each) for each in model.asked) == largest


def test_the_model_and_the_images_stay_as_they_were() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 4)).eval()
    x, y = torch.rand(5, 3, 8, 8), torch.randint(0, 4, (5,))
    state = {key: value.clone() for key, value in net.state_dict().items()}
    images = x.clone()
    found = noise(net, x, y, norm="l2", eps=0.5, queries=20)
    assert found.shape == x.shape
    assert not found.requires_grad
    assert torch.equal(x, images)
    assert all(torch.equal(value, net.state_dict()[key]) for key, value in state.items())
    assert not any(module.training for module in net.modules())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_unknown_norms_are_named() -> None:
    model = Linear(torch.ones(1, 2, 2))
    with pytest.raises(CellError, match="l0"):
        noise(model, torch.rand(1, 1, 2, 2), torch.zeros(1, dtype=torch.int64), norm="l0", eps=0.1, queries=1)
