"""A remembered gradient is the gradient, bit for bit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import zoo
from bench.attacks import adapter
from bench.engine.gradient_cache import GradientCache
from zoo import data

DIGITS = data.load("digits", "test")
X, Y = DIGITS.images(0, 50), DIGITS.targets(0, 50)


class Counted(nn.Module):
    """Counts how often it computes logits."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model, self.calls = model, 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.model(x)


@pytest.fixture(params=["baseline_cnn_4", "equivariant_gcnn_4"])
def model(request: pytest.FixtureRequest) -> nn.Module:
    return zoo.deploy(zoo.load(request.param))


@pytest.mark.parametrize("library", ["torchattacks", "foolbox"])
def test_fgsm_over_a_grid_is_bit_equal_and_computes_one_gradient(model: nn.Module, library: str) -> None:
    counted = Counted(model).eval()
    memo = GradientCache(counted)
    for eps in (0.02, 0.05, 0.1):
        plain = adapter("fgsm", library)(model, X, Y, norm="linf", eps=eps)
        with torch.no_grad():
            before = counted.calls
            looks = 1 if library == "foolbox" else 0  # foolbox looks at its result, which is a new image
        assert torch.equal(adapter("fgsm", library)(memo, X, Y, norm="linf", eps=eps), plain)
        assert counted.calls - before <= looks + (1 if eps == 0.02 else 0)


def test_other_images_and_other_labels_are_computed_anew(model: nn.Module) -> None:
    memo = GradientCache(model)
    for x, y in ((X, Y), (X, (Y + 1) % 10), (1 - X, Y), (X[:7], Y[:7]), (X, Y)):
        plain = adapter("fgsm", "torchattacks")(model, x, y, norm="linf", eps=0.1)
        assert torch.equal(adapter("fgsm", "torchattacks")(memo, x, y, norm="linf", eps=0.1), plain)


def test_changing_the_images_in_place_does_not_fool_it(model: nn.Module) -> None:
    memo, x = GradientCache(model), X.clone()
    for _ in range(2):
        images = x.clone().requires_grad_()
        (one,) = torch.autograd.grad(memo(images).sum(), images)
        images = x.clone().requires_grad_()
        (other,) = torch.autograd.grad(model(images).sum(), images)
        assert torch.equal(one, other)
        x += 0.01
        one.zero_()


def test_without_gradients_it_is_the_model(model: nn.Module) -> None:
    counted = Counted(model).eval()
    memo = GradientCache(counted)
    with torch.no_grad():
        assert torch.equal(memo(X), model(X))
        memo(X)
    assert counted.calls == 2
