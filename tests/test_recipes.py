"""zoo.recipes and zoo.adversarial: the numbers, and that attacks stay where they must and do their work."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo import recipes
from zoo.adversarial import adversarial, attack
from zoo.entries import RECIPES
from zoo.models import build
from zoo.recipes import recipe


def test_recipes_are_those_the_names_know() -> None:
    assert recipes.RECIPES == RECIPES


@pytest.mark.parametrize(
    ("name", "levels", "numbers"),
    [
        ("standard", 255, (0.0, 0.0, 0.0, 0, False)),
        ("standard", 16, (0.0, 0.0, 0.0, 0, False)),
        ("pgd_at", 255, (1.0, 8 / 255, 2 / 255, 10, True)),
        ("pgd_at", 16, (1.0, 0.1, 2.5 * 0.1 / 7, 7, True)),
        ("fgsm_mix", 255, (0.5, 0.005, 0.005, 1, False)),
        ("fgsm_mix", 16, (0.5, 0.05, 0.05, 1, False)),
    ],
)
def test_numbers_of_the_published_recipes(name: str, levels: int, numbers: tuple) -> None:
    ours = recipe(name, levels)
    assert (ours.share, ours.eps, ours.alpha, ours.steps, ours.random_start) == numbers
    assert ours.name == name


def test_all_recipes_share_optimiser_and_schedule() -> None:
    for levels in (16, 255):
        shared = {
            (r.batch, r.peak_lr, r.weight_decay, r.epochs) for r in (recipe(name, levels) for name in RECIPES)
        }
        assert len(shared) == 1


def test_every_number_is_in_the_fingerprint() -> None:
    base = recipe("pgd_at")
    for each in dataclasses.fields(base):
        value = getattr(base, each.name)
        changed = not value if isinstance(value, bool) else value + ("x" if isinstance(value, str) else 1)
        assert dataclasses.replace(base, **{each.name: changed}).fingerprint != base.fingerprint
    assert recipe("pgd_at").fingerprint == base.fingerprint


def test_wrong_arguments() -> None:
    with pytest.raises(recipes.UnknownRecipe, match=r"standard, pgd_at, fgsm_mix: did you mean pgd_at\?"):
        recipe("pgd")
    with pytest.raises(ValueError, match="0 epochs: train for at least one"):
        recipe("standard", epochs=0)
    assert recipe("standard", epochs=3).epochs == 3


@pytest.fixture(scope="module")
def model() -> torch.nn.Module:
    torch.manual_seed(0)
    return build("baseline_cnn_4", channels=1, size=16)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(["pgd_at", "fgsm_mix"]), st.sampled_from([16, 255]), st.integers(0, 99))
def test_attack_stays_in_ball_and_box_and_raises_the_loss(model, name: str, levels: int, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    x, y = torch.rand(8, 1, 16, 16, generator=random).round(decimals=1), torch.arange(8)
    ours = recipe(name, levels)
    attacked = attack(model, x, y, ours)
    assert (attacked - x).abs().max() <= ours.eps + 1e-7
    assert attacked.min() >= 0
    assert attacked.max() <= 1
    assert not attacked.requires_grad
    model.eval()
    before, after = F.cross_entropy(model(x), y), F.cross_entropy(model(attacked), y)
    assert after > before


def test_fgsm_is_one_signed_step(model) -> None:
    x, y = torch.rand(4, 1, 16, 16) * 0.8 + 0.1, torch.arange(4)
    model.eval()
    moved = x.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(F.cross_entropy(model(moved), y), moved)
    assert (slope != 0).double().mean() > 0.9
    expected = x + 0.05 * slope.sign()
    torch.testing.assert_close(attack(model, x, y, recipe("fgsm_mix", 16)), expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize(("name", "changed"), [("standard", 0), ("fgsm_mix", 5), ("pgd_at", 10)])
def test_share_of_the_batch_is_attacked(model, name: str, changed: int) -> None:
    x, y = torch.rand(10, 1, 16, 16), torch.arange(10)
    batch = adversarial(model, x, y, recipe(name, 16))
    assert batch.shape == x.shape
    assert [bool((one != other).any()) for one, other in zip(batch, x, strict=True)] == (
        [True] * changed + [False] * (10 - changed)
    )


@pytest.mark.parametrize("mode", [True, False])
def test_crafting_leaves_the_model_as_it_was(model, mode: bool) -> None:
    model.train(mode)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    adversarial(model, torch.rand(6, 1, 16, 16), torch.arange(6), recipe("pgd_at", 16))
    assert model.training is mode
    assert all(each.training is mode for each in model.modules())
    assert all(value.requires_grad and value.grad is None for value in model.parameters())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
