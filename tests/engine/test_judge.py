"""The judge classifies images again, with the tolerances of the protocol."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from torch import Tensor, nn

from bench.engine.balls import distance, project
from bench.engine.judge import ask_again, verify
from bench.errors import CellError
from bench.numbers.eps import NORMS
from tests.toys import attack_cell, linear_problem


class Constant(nn.Module):
    """Gives the same logits for every image."""

    def __init__(self, logits: list[float]) -> None:
        super().__init__()
        self.logits = torch.tensor(logits)

    def forward(self, x: Tensor) -> Tensor:
        return self.logits.expand(len(x), -1)


X = torch.full((3, 1, 4, 4), 0.5)
Y = torch.zeros(3, dtype=torch.int64)


def test_look_reports_margin_and_loss_of_known_logits() -> None:
    verdict = ask_again(Constant([2.0, 0.5, -1.0]), X, Y)
    assert verdict.right.all()
    assert torch.allclose(verdict.margin, torch.full((3,), 1.5))
    expected = torch.log(1 + torch.exp(torch.tensor(-1.5)) + torch.exp(torch.tensor(-3.0)))
    assert torch.allclose(verdict.loss, expected.expand(3))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_an_image_with_nonfinite_logits_is_broken_even_if_its_class_leads(bad: float) -> None:
    verdict = ask_again(Constant([5.0, bad if bad != bad else -1.0, -bad]), X, Y)
    assert verdict.nonfinite.all()
    assert not verdict.right.any()
    assert (verdict.loss == torch.inf).all()


def test_nan_is_never_the_predicted_class() -> None:
    assert (ask_again(Constant([float("nan"), 1.0, 0.0]), X, Y).predicted == 1).all()


@pytest.mark.parametrize(("excess", "projected"), [(0.0, False), (9e-7, False), (2e-6, True), (9e-5, True)])
def test_small_deviation_from_the_ball_is_accepted_or_projected(excess: float, projected: bool) -> None:
    cell = attack_cell(eps=0.1)
    images, verdict = verify(cell, Constant([1.0, 0.0]), X, Y, X + 0.1 + excess)
    assert bool(verdict.projected.all()) is projected
    assert float(verdict.distance.max()) <= 0.1 + 1e-6
    assert float(distance(X, images, "linf").max()) == float(verdict.distance.max())


def test_what_lies_far_outside_the_ball_fails_the_cell() -> None:
    with pytest.raises(CellError, match=r"lies 0\.0002 outside its linf ball of radius 0\.1"):
        verify(attack_cell(eps=0.1), Constant([1.0, 0.0]), X, Y, X + 0.1 + 2e-4)


@pytest.mark.parametrize(("excess", "projected"), [(0.9e-5, False), (5e-5, True)])
def test_l2_tolerance_is_relative(excess: float, projected: bool) -> None:
    step = torch.zeros_like(X)
    step[:, 0, 0, :2] = torch.tensor([0.3, 0.4])
    eps = 0.5 / (1 + excess)
    images, verdict = verify(attack_cell(eps=eps, norm="l2"), Constant([1.0, 0.0]), X, Y, X + step)
    assert bool(verdict.projected.all()) is projected
    allowed = eps * (1 + 1e-6) if projected else eps * (1 + 1e-5)
    assert float(distance(X, images, "l2").max()) <= allowed


def test_what_leaves_the_box_far_fails_the_cell() -> None:
    with pytest.raises(CellError, match=r"leaves the box \[0, 1\] by 0\.1"):
        verify(attack_cell(eps=0.7), Constant([1.0, 0.0]), X, Y, X + 0.6)


def test_what_leaves_the_box_by_rounding_is_clamped_silently() -> None:
    images, verdict = verify(attack_cell(eps=0.6), Constant([1.0, 0.0]), X, Y, X + 0.5 + 5e-7)
    assert not verdict.projected.any()
    assert float(images.max()) <= 1.0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_pixels_that_are_not_finite_fail_the_cell(value: float) -> None:
    broken = X.clone()
    broken[1, 0, 2, 2] = value
    with pytest.raises(CellError, match="1 of 3 attacked images hold pixels that are not finite"):
        verify(attack_cell(eps=0.1), Constant([1.0, 0.0]), X, Y, broken)


def test_a_wrong_shape_fails_the_cell() -> None:
    with pytest.raises(CellError, match="shape"):
        verify(attack_cell(eps=0.1), Constant([1.0, 0.0]), X, Y, X[:2])


@given(seed=st.integers(0, 2**16), eps=st.floats(1e-3, 1.0), norm=st.sampled_from(NORMS))
def test_projection_lands_in_ball_and_box_and_keeps_what_is_inside(seed: int, eps: float, norm: str) -> None:
    eps = {"l0": float(round(20 * eps)), "l1": 10 * eps}.get(norm, eps)
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(4, 1, 5, 5, generator=generator)
    other = (x + eps * torch.randn(4, 1, 5, 5, generator=generator)).clamp(0, 1)
    landed = project(x, other, norm, eps)
    assert float(distance(x, landed, norm).max()) <= eps * (1 + 1e-5) + 1e-7
    assert float(landed.min()) >= 0
    assert float(landed.max()) <= 1
    inside = distance(x, other, norm) <= eps * (1 - 1e-6)
    assert torch.allclose(landed[inside], other[inside], atol=1e-7)


@pytest.mark.parametrize("seed", range(20))
def test_the_nearest_image_of_the_l1_ball_and_the_box_is_a_quadratic_programs(seed: int) -> None:
    """Against scipy's SLSQP on δ = p − q with 0 ≤ p ≤ 1 − x, 0 ≤ q ≤ x and Σ(p + q) ≤ ε."""
    generator = torch.Generator().manual_seed(seed)
    x, step = torch.rand(2, 6, generator=generator).double()
    step, eps = 2 * step - 1, 0.2 + 0.1 * seed
    goal = np.asarray(step)

    def far(parts: np.ndarray) -> float:
        return float(((parts[:6] - parts[6:] - goal) ** 2).sum())

    found = minimize(
        far,
        np.zeros(12),
        method="SLSQP",
        bounds=[(0, float(end)) for end in torch.cat([1 - x, x])],
        constraints=[{"type": "ineq", "fun": lambda parts: eps - parts.sum()}],
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert found.success
    images = project(x.view(1, 1, 2, 3), (x + step).view(1, 1, 2, 3), "l1", eps)
    assert (images.flatten() - x).numpy() == pytest.approx(found.x[:6] - found.x[6:], abs=1e-5)


def test_l0_counts_pixels_and_not_channels() -> None:
    x = torch.full((2, 3, 4, 4), 0.5)
    other = x.clone()
    other[0, :, 1, 1] = 0.6
    other[0, 2, 3, 0] = 0.0
    assert distance(x, other, "l0").tolist() == [2.0, 0.0]
    kept = project(x, other, "l0", 1)
    assert distance(x, kept, "l0").tolist() == [1.0, 0.0]
    assert float(kept[0, 2, 3, 0]) == 0.0  # it changed more than all three channels of the other pixel


def test_one_pixel_too_many_fails_the_cell_and_rounding_is_put_back() -> None:
    step = torch.zeros_like(X)
    step[:, 0, 0, :2] = 0.3
    with pytest.raises(CellError, match="lies 1 outside its l0 ball of radius 1"):
        verify(attack_cell(eps=1.0, norm="l0"), Constant([1.0, 0.0]), X, Y, X + step)
    step[:, 0, 0, 1] = 5e-7
    images, verdict = verify(attack_cell(eps=1.0, norm="l0"), Constant([1.0, 0.0]), X, Y, X + step)
    assert verdict.distance.tolist() == [1.0] * 3
    assert float(images[0, 0, 0, 1]) == 0.5
    assert not verdict.projected.any()


@pytest.mark.parametrize(("excess", "projected"), [(0.9e-5, False), (5e-5, True)])
def test_l1_tolerance_is_relative(excess: float, projected: bool) -> None:
    step = torch.zeros_like(X)
    step[:, 0, 0, :2] = torch.tensor([0.3, -0.4])
    eps = 0.7 / (1 + excess)
    images, verdict = verify(attack_cell(eps=eps, norm="l1"), Constant([1.0, 0.0]), X, Y, X + step)
    assert bool(verdict.projected.all()) is projected
    assert float(distance(X, images, "l1").max()) <= eps * (1 + (1e-6 if projected else 1e-5))


def test_verify_breaks_a_linear_model_exactly_beyond_its_radius() -> None:
    model, x, y, radius = linear_problem()
    direction = torch.where(y == 1, -1.0, 1.0)[:, None, None, None] * model.weight.sign()
    eps = float(radius.median())
    _, verdict = verify(attack_cell(eps=eps), model, x, y, x + eps * direction)
    assert torch.equal(verdict.right, radius > eps)
