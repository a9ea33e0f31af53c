"""Upper bounds: closed forms, verification, and the sandwich on trained models."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import zoo
from bench.errors import UsageError
from bench.studies.clever import NORMS, CleverOptions, clever, default_radius, upper_bounds
from bench.studies.clever.gradients import DUALS
from tests.toys import linear_problem


@pytest.mark.parametrize("norm", NORMS)
def test_linear_models_in_closed_form(norm: str) -> None:
    """No perturbation below |margin| / ‖w‖ can be found, and the attack comes near it."""
    model, x, y, _ = linear_problem(n=16)
    exact = (model(x)[:, 1].abs() / torch.linalg.vector_norm(model.weight.flatten(), ord=DUALS[norm])).numpy()
    found = upper_bounds(model, x, y, norm, first=0, seed=0)
    assert found["attacked"].all()
    assert (found["predicted"] == 1 - y.numpy()).all()
    ratio = found["distance"] / exact
    assert ratio.min() >= 1 - 1e-4
    assert np.median(ratio) < 1.1


@pytest.mark.parametrize("norm", NORMS)
def test_wrong_images_are_at_distance_nothing(norm: str) -> None:
    model, x, y, _ = linear_problem(n=4)
    y[2] = 1 - y[2]
    found = upper_bounds(model, x, y, norm, first=0, seed=0)
    assert found["attacked"].tolist() == [True, True, False, True]
    assert found["distance"][2] == 0
    assert found["predicted"][2] == 1 - y[2]
    nothing = upper_bounds(model, x[2:3], y[2:3], norm, first=2, seed=0)
    assert nothing["distance"].tolist() == [0.0]


class Deaf(nn.Module):
    """Gradients of zero: nothing can be found."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tensor([0.0, 1.0]) + 0 * x.flatten(1).sum(dim=1, keepdim=True)


@pytest.mark.parametrize("norm", NORMS)
def test_what_was_not_found_is_nan(norm: str) -> None:
    found = upper_bounds(Deaf().eval(), torch.rand(2, 1, 8, 8), torch.tensor([1, 1]), norm, first=0, seed=0)
    assert np.isnan(found["distance"]).all()
    assert (found["predicted"] == -1).all()
    assert found["attacked"].all()


def test_random_states_are_put_back() -> None:
    x, state, numpy_state = (
        torch.full((2, 1, 8, 8), 0.5),
        torch.get_rng_state(),
        np.random.get_state()[1].copy(),
    )  # type: ignore[index]
    upper_bounds(Deaf().eval(), x, torch.tensor([1, 1]), "l2", first=0, seed=0)
    assert torch.equal(state, torch.get_rng_state())
    np.testing.assert_array_equal(numpy_state, np.random.get_state()[1])  # type: ignore[index]


def test_unknown_norm() -> None:
    with pytest.raises(UsageError, match="l3"):
        upper_bounds(Deaf().eval(), torch.rand(1, 1, 8, 8), torch.tensor([1]), "l3", first=0, seed=0)


@pytest.mark.parametrize("norm", NORMS)
def test_the_estimate_lies_below_the_attack_on_trained_models(norm: str) -> None:
    """Not guaranteed, but so on most images: the other way round would be a mistake of units or norms."""
    model = zoo.deploy(zoo.load("baseline_cnn_4"))
    data = zoo.data.load("digits", "test")
    x, y = data.images(0, 6), data.targets(0, 6)
    radius = default_radius(norm, x.shape[1:])
    options = CleverOptions(
        engine="batched", norm=norm, radius=radius, batches=20, samples=20, pool_factor=5, targets=3, seed=0
    )
    lower = clever(model, x, y, options, first=0)["score"]
    upper = upper_bounds(model, x, y, norm, first=0, seed=0)["distance"]
    assert not np.isnan(upper).any()
    assert (lower <= upper).mean() >= 0.8
    assert (lower[upper > 0] > 0.01 * upper[upper > 0]).all()
