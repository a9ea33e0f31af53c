"""zoo.recipes, zoo.adversarial, zoo.losses: the numbers, and that attacks stay where they must and do their work."""

import dataclasses
import json

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo import recipes
from zoo.adversarial import adversarial, attack, away
from zoo.entries import ARCHITECTURES, RECIPES
from zoo.losses import learned, trades
from zoo.models import build
from zoo.recipes import Recipe, Stage, recipe

FINGERPRINTS = {  # of the recipes the shipped weights and running checkpoints know
    ("standard", 16): "535a91bea7b8349372af100172d68c178ed419164815c43c4ae5d7e4156feeac",
    ("pgd_at", 16): "daafc5018bcda23ec771e41d6d2207a64f5139cb2ffcd9e5eea1a27af1ff0aa9",
    ("fgsm_mix", 16): "9446f8653ce8f9e8ba97132bdeebeb4663d1816cb843a4903e90d59a29f9f21b",
    ("standard", 255): "9beb2964a6692446edf807842dcb8d25c195a31ca77a2bd1a9be73e019543054",
    ("pgd_at", 255): "72b3e0294b658f6c294f6f487f928ea6c43ef661df48a95d3c72f3b23b5d5a29",
    ("fgsm_mix", 255): "114df980fb7c03d57e4aa4ea62c23d7d511ac1a60cf2c955914dfbbcd1f6d27a",
}
NEW = ("pgd_at_half", "pgd_at_quarter", "trades", "cusp", "rotate180", "rotate30+pgd_at_half")


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


def test_all_recipes_share_optimiser_and_epochs() -> None:
    for levels in (16, 255):
        names = [name for name in (*RECIPES, *NEW) if name != "ibp"]
        shared = {(r.batch, r.weight_decay, r.epochs) for r in (recipe(n, levels) for n in names)}
        assert len(shared) == 1


@pytest.mark.parametrize(("levels", "eps"), [(16, 0.05), (255, 2 / 255)])
def test_numbers_of_the_recipes_for_certificates(levels: int, eps: float) -> None:
    ours = recipe("ibp", levels)
    assert (ours.loss, ours.share, ours.weight_decay, ours.epochs) == ("ibp", 0, 0, 200)
    sizes = [ours.at(epoch).eps for epoch in range(1, 201)]
    assert sizes == sorted(sizes)
    assert (sizes[0], sizes[139], sizes[-1]) == (0, eps, eps)
    assert 0 < sizes[5] < 1e-6 * eps
    for name, sigma in (("gauss12", 0.12), ("gauss25", 0.25), ("gauss50", 0.5), ("gauss1", 0.01)):
        noisy = recipe(name, levels)
        assert noisy == dataclasses.replace(recipe("standard", levels), name=name, noise=sigma)
    with pytest.raises(recipes.UnknownRecipe):
        recipe("gauss0", levels)


@pytest.mark.parametrize("levels", [16, 255])
def test_numbers_of_the_recipes_of_related_work(levels: int) -> None:
    full, plain = recipe("pgd_at", levels), recipe("standard", levels)
    jsigr, last, afa = (recipe(name, levels) for name in ("jsigr", "last", "afa"))
    assert jsigr == dataclasses.replace(
        plain, name="jsigr", loss="jsigr", beta=jsigr.beta, select=jsigr.select
    )
    assert last == dataclasses.replace(
        full, name="last", loss="last", beta=last.beta, proxy=0.8, held_out=0.1
    )
    assert afa == dataclasses.replace(
        full, name="afa", loss="afa", beta=afa.beta, random_start=False, held_out=0.1
    )


@pytest.mark.parametrize(
    ("levels", "full", "attack"), [(255, 8 / 255, (2 / 255, 10)), (16, 0.1, (0.25 / 7, 7))]
)
def test_numbers_of_the_recipes_for_the_trade_off(levels: int, full: float, attack: tuple) -> None:
    def shape(name: str) -> tuple:
        ours = recipe(name, levels)
        assert ours.name == name
        if ours.share:
            assert (ours.alpha, ours.steps) == pytest.approx(attack)
            assert (ours.share, ours.random_start) == (1, True)
        points = [ours.at(epoch) for epoch in range(1, ours.epochs + 1)]
        (held,) = {(point.rotation, point.eps) for point in points}
        return *held, ours.held_out

    assert shape("pgd_at") == (0, full, 0)
    assert shape("pgd_at_half") == (0, full / 2, 0.1)
    assert shape("pgd_at_quarter") == (0, full / 4, 0.1)
    assert shape("rotate1") == (1, 0, 0)
    assert shape("rotate180") == (180, 0, 0)
    assert shape("rotate120+pgd_at_quarter") == (120, full / 4, 0.1)
    assert shape("rotate60+pgd_at_half") == (60, full / 2, 0.1)
    assert shape("rotate180+pgd_at") == (180, full, 0.1)
    cusp = recipe("cusp", levels)
    assert [(stage.rotation, stage.eps) for stage in cusp.stages] == [
        (120, full / 4),
        (150, full / 2),
        (180, full),
    ]
    assert (cusp.alpha, cusp.steps) == pytest.approx(attack)
    ours = recipe("trades", levels)
    assert (ours.loss, ours.beta, ours.eps, ours.held_out) == ("trades", 6, full, 0.1)
    assert (ours.alpha, ours.steps) == ((0.007, 10) if levels == 255 else pytest.approx(attack))


def test_earlier_recipes_keep_their_fingerprints_and_rows() -> None:
    assert {known: recipe(*known).fingerprint for known in FINGERPRINTS} == FINGERPRINTS
    assert list(recipe("pgd_at").row) == [
        *("name", "epochs", "batch", "peak_lr", "weight_decay"),
        *("share", "eps", "alpha", "steps", "random_start"),
    ]


@pytest.mark.parametrize("name", [*RECIPES, *NEW])
def test_a_row_survives_its_file(name: str) -> None:
    row = recipe(name).row
    assert json.loads(json.dumps(row)) == row
    stages = tuple(Stage(**stage) for stage in row.pop("stages", []))
    assert Recipe(**{**row, "drops": tuple(row.get("drops", ()))}, stages=stages) == recipe(name)


def test_every_number_is_in_the_fingerprint() -> None:
    base = recipe("pgd_at")
    later = {
        "stages": {"eps": 0.0, "stages": (Stage(until=1, eps=base.eps),)},
        "drops": {"drops": (0.5,)},
        "warmup": {"warmup": 0.1},
        "loss": {"loss": "trades", "beta": 6.0},
        "held_out": {"held_out": 0.1},
        "precision": {"precision": "bfloat16"},
    }
    assert len({dataclasses.replace(base, **change).fingerprint for change in later.values()}) == len(later)
    for each in dataclasses.fields(base):
        value = getattr(base, each.name)
        if each.name == "beta":
            trades = dataclasses.replace(base, loss="trades", beta=6.0)
            assert dataclasses.replace(trades, beta=5.0).fingerprint != trades.fingerprint
            continue
        if each.name == "select":
            jsigr = recipe("jsigr")
            assert dataclasses.replace(jsigr, select=5.0).fingerprint != jsigr.fingerprint
            continue
        changed = not value if isinstance(value, bool) else value + "x" if isinstance(value, str) else value
        changed = changed + 1 if changed == value and each.name not in later else changed
        changes = later.get(each.name, {each.name: changed})
        assert dataclasses.replace(base, **changes).fingerprint != base.fingerprint
    assert recipe("pgd_at").fingerprint == base.fingerprint


def test_wrong_arguments() -> None:
    with pytest.raises(
        recipes.UnknownRecipe,
        match=r"standard, pgd_at, .*cusp, ibp, jsigr, last, afa, gauss.*, rotate.*: did you mean pgd_at\?",
    ):
        recipe("pgd")
    for name in ("rotate0", "rotate181", "rotate", "rotate30.5", "rotate030", "rotate90+trades"):
        with pytest.raises(recipes.UnknownRecipe, match=r"rotate<degrees, 1 to 180> and .*: did you mean \w"):
            recipe(name)
    with pytest.raises(ValueError, match="0 epochs: train for at least one"):
        recipe("standard", epochs=0)
    assert recipe("standard", epochs=3).epochs == 3


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": "mine-best"}, "a name is letters"),
        ({"stages": (Stage(until=0.5),)}, "the last stage ends at 1"),
        ({"stages": (Stage(until=0.5), Stage(until=0.5), Stage(until=1))}, "one after another"),
        ({"stages": (Stage(until=0), Stage(until=1))}, "one after another, above 0"),
        ({"stages": (Stage(until=1, rotation=200),)}, "0 to 180 degrees"),
        ({"stages": (Stage(until=1),), "eps": 0.1}, "eps stands in each"),
        ({"stages": (Stage(until=1, eps=0.1),)}, "need a share"),
        ({"drops": (0.5, 1.0)}, "drops lie between 0 and 1"),
        ({"warmup": 1.0}, "warmup is a share"),
        ({"held_out": 1.0}, "held_out is a share"),
        ({"loss": "mart"}, "loss is one of ce, trades"),
        ({"loss": "trades", "share": 1.0}, "beta above 0"),
        ({"beta": 6.0}, "beta above 0"),
        ({"loss": "trades", "beta": 6.0, "share": 0.5}, "whole batches"),
        ({"loss": "afa", "beta": 1.0}, "loss afa takes whole batches, share 1"),
        ({"loss": "last", "beta": 1.0, "share": 1.0}, "a beta below 1"),
        ({"loss": "jsigr", "beta": 1.0, "share": 1.0}, "loss jsigr takes no share"),
        ({"loss": "ibp", "precision": "bfloat16"}, "loss ibp needs precision float32"),
        ({"select": 1.0}, "select is 0 or more, of loss jsigr alone"),
        ({"proxy": 1.5}, "proxy is a share from 0 to 1"),
        ({"proxy": 0.5}, "proxy above 0 needs a share"),
        ({"eps": -0.1}, "eps is a radius"),
        ({"stages": (Stage(until=0.5, eps=-0.1), Stage(until=1, eps=0.1)), "share": 1.0}, "eps is a radius"),
        ({"share": 0.5, "eps": 0.1, "alpha": 0.1}, "needs steps, at least 1"),
        ({"share": 0.5, "eps": 0.1, "steps": 1}, "needs alpha"),
        ({"share": 0.5, "eps": 0.1, "steps": 1, "alpha": -0.1}, "needs alpha"),
        ({"share": 0.5, "steps": 1, "alpha": 0.1}, "needs an eps above 0"),
        ({"share": 0.5, "steps": 1, "alpha": 0.1, "stages": (Stage(until=1),)}, "needs an eps above 0"),
    ],
)
def test_numbers_that_contradict_one_another(changes: dict, reason: str) -> None:
    with pytest.raises(ValueError, match=f"recipe '.*': .*{reason}"):
        Recipe(**{"name": "mine", "epochs": 3, **changes})


def test_a_stage_may_be_without_attack_where_another_has_one() -> None:
    stages = (Stage(until=0.5), Stage(until=1, eps=0.1))
    ours = Recipe(name="mine", epochs=4, share=1.0, alpha=0.05, steps=2, stages=stages)
    assert [ours.at(epoch).eps for epoch in (1, 2, 3, 4)] == [0, 0, 0.1, 0.1]


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


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_fgsm_is_one_signed_step_of_the_model_in_eval_mode(name: str) -> None:
    torch.manual_seed(0)
    model = build(f"{name}_4", channels=1, size=16).double()
    model(
        torch.rand(32, 1, 16, 16, dtype=torch.float64)
    )  # statistics of batch norm that are not those of a start
    x, y = torch.rand(4, 1, 16, 16, dtype=torch.float64) * 0.8 + 0.1, torch.arange(4)
    attacked = attack(model, x, y, recipe("fgsm_mix", 16))
    model.eval()
    moved = x.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(F.cross_entropy(model(moved), y), moved)
    told = slope.abs() > 1e-10 * slope.abs().max()
    assert told.double().mean() > 0.9
    expected = x + 0.05 * slope.sign()
    torch.testing.assert_close(attacked[told], expected[told], rtol=0, atol=1e-12)


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


def test_a_stage_gives_another_radius(model) -> None:
    x, y = torch.rand(8, 1, 16, 16), torch.arange(8)
    for eps in (0.01, 0.2):
        changed = adversarial(model, x, y, recipe("pgd_at", 16), eps) - x
        assert changed.abs().max() == pytest.approx(eps, abs=1e-6)


# TRADES


def kl(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    return (p * (p.log() - q.log())).sum(dim=1)


def test_trades_is_its_formula() -> None:
    torch.manual_seed(0)
    clean, attacked, y = torch.randn(5, 3).double(), torch.randn(5, 3).double(), torch.tensor([0, 1, 2, 0, 1])
    p, q = clean.softmax(1), attacked.softmax(1)
    for beta in (1.0, 6.0):
        by_hand = (-p[torch.arange(5), y].log() + beta * kl(p, q)).mean()
        torch.testing.assert_close(trades(clean, attacked, y, beta), by_hand)
    assert trades(clean, clean, y, 6.0) == pytest.approx(F.cross_entropy(clean, y).item())
    swapped = (-p[torch.arange(5), y].log() + 6 * kl(q, p)).mean()
    assert abs(trades(clean, attacked, y, 6.0) - swapped) > 0.01


def test_gradients_reach_both_terms_of_trades() -> None:
    torch.manual_seed(0)
    y = torch.tensor([0, 1, 2, 0])
    clean = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    attacked = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    told, moved = torch.autograd.grad(trades(clean, attacked, y, 6.0), (clean, attacked))
    p, q = clean.softmax(1), attacked.softmax(1)
    torch.testing.assert_close(moved, 6 * (q - p) / 4)
    divergence = p.log() - q.log() - kl(p, q)[:, None]
    torch.testing.assert_close(told, (p - F.one_hot(y, 3) + 6 * p * divergence) / 4)


def test_the_attack_of_trades_raises_the_divergence_in_ball_and_box(model) -> None:
    ours = recipe("trades", 16)
    torch.manual_seed(0)
    x = torch.rand(8, 1, 16, 16).round(decimals=1)
    attacked = away(model, x, ours)
    assert (attacked - x).abs().max() <= ours.eps + 1e-7
    assert attacked.min() >= 0
    assert attacked.max() <= 1
    model.eval()
    p = model(x).softmax(1)
    signs = x + ours.eps * torch.randn_like(x).sign()
    assert (kl(p, model(attacked).softmax(1)) > kl(p, model(signs).softmax(1))).all()


def test_trades_starts_from_gaussian_noise_and_leaves_the_model_alone(model) -> None:
    x = torch.full((4, 1, 16, 16), 0.5)
    start = away(model, x, dataclasses.replace(recipe("trades", 16), steps=1, alpha=1e-12)) - x
    assert start.std() == pytest.approx(0.001, rel=0.1)
    model.train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    away(model, x, recipe("trades", 16))
    assert model.training
    assert all(value.requires_grad and value.grad is None for value in model.parameters())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_a_trades_step_learns_from_clean_and_attacked_images(model) -> None:
    ours, x, y = recipe("trades", 16), torch.rand(8, 1, 16, 16), torch.arange(8)
    model.eval()  # so that both passes can be made again one by one
    torch.manual_seed(0)
    loss, logits = learned(model, x, y, ours, 0.05)
    torch.manual_seed(0)
    attacked = away(model, x, ours, 0.05)
    assert torch.equal(logits, model(attacked))
    p = model(x).softmax(1)
    torch.testing.assert_close(loss, F.cross_entropy(model(x), y) + 6 * kl(p, logits.softmax(1)).mean())
