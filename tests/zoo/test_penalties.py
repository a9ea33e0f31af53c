"""zoo.penalties, zoo.proxy and the losses made of them: each in closed form, mostly of a linear model."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import zoo
from zoo import data
from zoo.checkpoints import TrainError
from zoo.losses import any_strength, learned
from zoo.penalties import (
    TEMPERATURE,
    distilled,
    jacobian_norm,
    last_features,
    misaligned,
    selected_gradient,
    unsalient,
)
from zoo.proxy import Proxy
from zoo.recipes import Recipe, recipe


@pytest.fixture
def linear() -> nn.Module:
    """Logits W·x + b of images (1, 8, 8), float64."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 3)).double()


def weight(model: nn.Module) -> torch.Tensor:
    return model[1].weight


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.rand(5, 1, 8, 8, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1])


def test_the_jacobian_of_a_linear_model_is_its_weights(linear, batch) -> None:
    x = batch[0].requires_grad_(True)
    along = F.normalize(torch.randn(5, 3, dtype=torch.float64), dim=1)
    by_hand = 3 * (along @ weight(linear)).square().sum(1).mean()
    torch.testing.assert_close(jacobian_norm(linear(x), x, along), by_hand)
    axes = [jacobian_norm(linear(x), x, torch.eye(3).double()[[i] * 5]) for i in range(3)]
    torch.testing.assert_close(torch.stack(axes).mean(), weight(linear).square().sum())  # |J|² of Frobenius


def test_a_random_projection_has_the_jacobians_norm_as_its_mean(linear) -> None:
    torch.manual_seed(0)
    x = torch.rand(20_000, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    assert jacobian_norm(linear(x), x).item() == pytest.approx(weight(linear).square().sum().item(), rel=0.02)


def test_a_patch_is_salient_by_what_its_blur_changes(linear, batch) -> None:
    x, _ = batch
    found = []
    for i in range(4):
        for j in range(4):
            part = torch.zeros_like(x)
            cell = x[..., 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            part[..., 2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = cell - cell.mean((2, 3), keepdim=True)
            found.append((part.flatten(1) @ weight(linear).T).square().sum(1) / 2)
    by_hand = torch.stack(found, 1)
    low = (by_hand < by_hand.mean(1, keepdim=True)).reshape(5, 1, 4, 4)
    expected = low.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.equal(unsalient(linear, x), expected)
    assert 0 < expected.double().mean() < 1


def test_flat_patches_are_unsalient_and_sizes_need_not_divide() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(100, 3))
    x = torch.zeros(1, 1, 10, 10)
    x[..., 0, 0] = 1
    where = unsalient(model, x)
    assert where.shape == x.shape
    assert not where[0, 0, :2, :2].any()  # the only patch that is not flat
    assert where[0, 0, 3:, 3:].all()


def test_the_selected_gradient_of_a_linear_model(linear, batch) -> None:
    x, y = batch
    x.requires_grad_(True)
    logits = linear(x)
    slope = (logits.softmax(1) - F.one_hot(y, 3)) @ weight(linear)
    where = torch.zeros(5, 1, 8, 8, dtype=torch.bool)
    where[..., :4] = True
    by_hand = (slope.reshape(5, 1, 8, 8)[..., :4]).square().sum((1, 2, 3)).mean()
    torch.testing.assert_close(selected_gradient(logits, x, y, where), by_hand)


def test_a_step_of_jsigr_is_its_formula_and_reaches_the_weights(linear, batch) -> None:
    x, y = batch
    ours = dataclasses.replace(recipe("jsigr", 16), beta=0.3, select=0.7)
    torch.manual_seed(3)
    loss, logits = learned(linear, x, y, ours, 0.0)
    torch.manual_seed(3)
    along = F.normalize(torch.randn(5, 3, dtype=torch.float64), dim=1)
    jacobian = 3 * (along @ weight(linear)).square().sum(1).mean()
    slope = ((logits.softmax(1) - F.one_hot(y, 3)) @ weight(linear)).reshape(x.shape)
    selected = (slope * unsalient(linear, x)).square().sum((1, 2, 3)).mean()
    torch.testing.assert_close(loss, F.cross_entropy(linear(x), y) + 0.15 * jacobian + 0.7 * selected)
    (ours,) = torch.autograd.grad(loss - F.cross_entropy(logits, y) - 0.7 * selected, weight(linear))
    torch.testing.assert_close(ours, 0.3 * 3 / 5 * along.T @ along @ weight(linear))


def test_jsigr_in_bfloat16_penalises_the_same_gradients() -> None:
    """As near to float32 as the cross-entropy's gradient is: both within what 8 bits of a significand leave."""
    x, y = data.load("digits", "train").images()[:64], data.load("digits", "train").targets()[:64]
    model = zoo.load("baseline_cnn", "digits").train()
    weights = [each.requires_grad_(True) for each in model.parameters()]

    def slopes(loss: str, precision: str) -> torch.Tensor:
        beta = {"beta": 0.01, "select": 0.1} if loss == "jsigr" else {}
        torch.manual_seed(0)  # the projection
        value, _ = learned(
            model, x, y, Recipe(name="r", epochs=1, loss=loss, precision=precision, **beta), 0.0
        )
        assert value.dtype == torch.float32
        return torch.cat([each.flatten() for each in torch.autograd.grad(value, weights)])

    off = {
        loss: 1 - F.cosine_similarity(slopes(loss, "float32"), slopes(loss, "bfloat16"), dim=0).item()
        for loss in ("ce", "jsigr")
    }
    assert 0 < off["jsigr"] < 0.01
    assert off["jsigr"] < 2 * off["ce"]


def test_distillation_is_its_formula() -> None:
    torch.manual_seed(0)
    clean, attacked, y = torch.randn(4, 3).double(), torch.randn(4, 3).double(), torch.tensor([0, 1, 2, 0])
    p, q = (clean / TEMPERATURE).softmax(1), (attacked / TEMPERATURE).softmax(1)
    divergence = (p * (p / q).log()).sum(1).mean()
    by_hand = 0.25 * F.cross_entropy(attacked, y) + 0.75 * divergence
    torch.testing.assert_close(distilled(clean, attacked, y, 0.75), by_hand)
    torch.testing.assert_close(distilled(clean, clean, y, 0.5), F.cross_entropy(clean, y) / 2)


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_two_steps_of_the_proxy_by_hand(share: float) -> None:
    """Loss θ²/2, so that an optimiser's step of rate r from ω is ω·(1 − r)."""
    model, rate = nn.Linear(1, 1, bias=False), 0.1
    nn.init.constant_(model.weight, 2.0)
    optimizer, proxy = torch.optim.SGD(model.parameters(), lr=rate), Proxy(model, share)

    def step() -> None:
        proxy.recall()
        optimizer.zero_grad()
        (model.weight.square().sum() / 2).backward()
        optimizer.step()
        proxy.answer()

    theta, omega = 2.0, 2.0
    for _ in range(3):
        theta, omega = theta - share * (theta - omega * (1 - rate)), theta
        step()
        assert model.weight.item() == pytest.approx(theta)


def test_without_a_share_the_proxy_leaves_the_weights() -> None:
    model = nn.Linear(2, 2)
    before, proxy = model.weight.clone(), Proxy(model, 0.0)
    proxy.recall()
    proxy.answer()
    assert torch.equal(model.weight, before)


def test_examples_of_last_are_made_before_the_weights_change(linear, batch) -> None:
    """The attack sees the target, the loss the proxy: here one with the opposite signs."""
    x, y = batch[0] * 0.6 + 0.2, batch[1]
    ours = dataclasses.replace(recipe("last", 16), random_start=False)
    slope = (linear(x).softmax(1) - F.one_hot(y, 3)) @ weight(linear)

    def turn() -> None:
        with torch.no_grad():
            weight(linear).neg_()

    before = weight(linear).clone()
    loss, logits = learned(linear, x, y, ours, 0.1, turn)
    expected = (x + 0.1 * slope.sign().reshape(x.shape)).flatten(1) @ -before.T + linear[1].bias
    assert ((slope.abs() > 1e-3).double().mean()) > 0.9
    torch.testing.assert_close(logits, expected, rtol=0, atol=0.05)
    torch.testing.assert_close(loss, distilled(linear(x), logits, y, ours.beta))


def test_misaligned_features() -> None:
    clean = torch.tensor([[1.0, 2.0], [0.0, 2.0]], requires_grad=True)
    attacked = torch.tensor([[1.0, 3.0], [2.0, 2.0]])
    found = misaligned(clean, attacked)
    assert found.item() == pytest.approx(5 / 9)
    (slope,) = torch.autograd.grad(found, clean)  # the denominator is held constant
    torch.testing.assert_close(slope, 2 * (clean - attacked).detach() / 9)
    assert misaligned(clean, clean).item() == 0
    assert misaligned(torch.zeros(1, 2), torch.zeros(1, 2)).item() == 0


def test_strengths_of_afa_are_each_images_own_and_reach_the_radius(linear) -> None:
    """On a linear model of two classes every signed step goes the same way, up to its radius."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 2)).double()
    x, y = torch.full((400, 1, 8, 8), 0.5, dtype=torch.float64), torch.zeros(400, dtype=torch.int64)
    torch.manual_seed(5)
    moved = any_strength(model, x, y, recipe("afa", 16), 0.1) - x
    torch.manual_seed(5)
    radii = 0.1 * torch.rand(400, 1, 1, 1, dtype=torch.float64)
    sign = (weight(model)[1] - weight(model)[0]).sign().reshape(1, 1, 8, 8)
    torch.testing.assert_close(moved, radii * sign, rtol=0, atol=1e-12)


def test_a_step_of_afa_is_its_formula(linear, batch) -> None:
    x, y = batch
    ours = recipe("afa", 16)
    torch.manual_seed(4)
    loss, logits = learned(linear, x, y, ours, 0.1)
    torch.manual_seed(4)
    attacked = any_strength(linear, x, y, ours, 0.1)
    assert torch.equal(logits, linear(attacked))
    both = (F.cross_entropy(linear(x), y) + F.cross_entropy(logits, y)) / 2
    apart = (attacked - x).square().mean() / x.square().mean()  # features of a linear model are its pixels
    torch.testing.assert_close(loss, both + ours.beta * apart)


def test_features_are_what_enters_the_last_linear_layer() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    x = torch.rand(2, 4)
    with last_features(model) as seen:
        model(x)
        model(-x)
    assert [len(each) for each in seen] == [2, 2]
    torch.testing.assert_close(seen[1], model[:3](-x))
    model(x)
    assert len(seen) == 2
    with pytest.raises(TrainError, match="Flatten has no linear layer"), last_features(nn.Flatten()):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("name", ["jsigr", "last", "afa"])
def test_each_recipe_is_continued_to_the_same_weights(name: str, tmp_path) -> None:
    from zoo.train import train

    images = dataclasses.replace(data.load("digits", "train"))
    ours = recipe(name, 16, epochs=2)

    def run(out, stop: bool) -> str:
        class Stop(Exception):
            pass

        def watch(progress) -> None:
            if stop and progress.epoch == 1 and progress.batch == progress.batches:
                raise Stop

        try:
            done = train(
                "baseline_cnn_4", images, test=None, recipe=ours, out=out, width=0.25, progress=watch
            )
        except Stop:
            return run(out, False)
        return done.record.sha256

    assert run(tmp_path / "a", True) == run(tmp_path / "b", False)
