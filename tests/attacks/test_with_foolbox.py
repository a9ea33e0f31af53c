"""Foolbox's attacks on models whose answer is known: linear ones, and some that know one image."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
import torchattacks
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import zoo
from bench.attacks import losses, with_foolbox
from bench.attacks.foolbox_minimum import _L2FMN
from bench.errors import CellError
from tests.toys import Linear, linear_problem

NORMS = ("linf", "l2")
NEAREST = [(with_foolbox.ddn, "l2"), (with_foolbox.cw, "l2")] + [
    (attack, norm) for attack in (with_foolbox.fmn, with_foolbox.deepfool) for norm in NORMS
]
PGDS = [with_foolbox.pgd, with_foolbox.pgd_margin, with_foolbox.pgd_dlr]


class ThreeClasses(Linear):
    """``Linear`` and a third class that is never likely."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.pad(super().forward(x), (0, 1), value=-1e6)


def distance(x: Tensor, other: Tensor, norm: str) -> Tensor:
    order = {"linf": float("inf"), "l2": 2.0, "l1": 1.0}[norm]
    return torch.linalg.vector_norm((other.double() - x.double()).flatten(1), ord=order, dim=1)


def closed_form(model: Linear, x: Tensor, norm: str) -> Tensor:
    """Distance to the boundary of a linear model: |score| over the dual norm of the weights."""
    dual = {"linf": 1.0, "l2": 2.0, "l1": float("inf")}[norm]
    weight = model.weight.double()
    score = (x.double() - 0.5).flatten(1) @ weight.flatten()
    return score.abs() / torch.linalg.vector_norm(weight.flatten(), ord=dual)


def wrong(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return model(x).argmax(1) != y


def test_the_losses_by_hand() -> None:
    logits = torch.tensor([[5.0, 3.0, 1.0, 0.0]]).expand(4, 4)
    y = torch.arange(4)
    assert losses.margin(logits, y).tolist() == [-2.0, 2.0, 4.0, 5.0]
    assert losses.dlr(logits, y).tolist() == [-0.5, 0.5, 1.0, 1.25]
    assert torch.allclose(losses.dlr(1000 * logits + 7, y), losses.dlr(logits, y))
    assert losses.dlr(torch.ones(1, 4), torch.tensor([2])).tolist() == [0.0]


@pytest.mark.parametrize("classes", [3, 10])
def test_the_dlr_loss_and_its_gradient_are_torchattacks(classes: int) -> None:
    model, _, _, _ = linear_problem(n=1)
    logits = torch.randn(50, classes, generator=torch.Generator().manual_seed(0)).requires_grad_()
    y = torch.arange(50) % classes
    ours, theirs = losses.dlr(logits, y), torchattacks.APGD(model).dlr_loss(logits, y)
    torch.testing.assert_close(ours, theirs)
    (one,), (other,) = (torch.autograd.grad(loss.sum(), logits) for loss in (ours, theirs))
    torch.testing.assert_close(one, other)


def test_broken_is_what_the_judge_counts() -> None:
    nan, inf = float("nan"), float("inf")
    logits = torch.tensor([[2.0, 1.0], [1.0, 2.0], [nan, nan], [nan, 1.0], [inf, 1.0], [1.0, -inf]])
    found = losses.broken(logits, torch.zeros(6, dtype=torch.int64))
    assert found.tolist() == [False, True, True, True, True, True]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("pgd", PGDS)
def test_pgd_on_any_loss_finds_a_linear_models_exact_radius(pgd: Callable[..., Tensor], norm: str) -> None:
    linear, x, y, _ = linear_problem()
    model = ThreeClasses(linear.weight.detach()).eval().requires_grad_(False)
    radius = closed_form(model, x, norm)
    for share in (0.25, 0.99, 1.5):
        eps = share * float(radius.median())
        random_start = norm == "linf"  # in L2 the last trace of a random start fades only slowly
        images = pgd(model, x, y, norm=norm, eps=eps, alpha=eps, steps=5, random_start=random_start)
        assert torch.equal(wrong(model, images, y), radius < eps)
        assert distance(x, images, norm).max() <= eps * (1 + 1e-5) + 1e-6


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("random_start", [False, True])
def test_with_foolboxs_own_loss_nothing_changes(
    norm: str, random_start: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses, "margin", lambda logits, y: cross_entropy(logits, y, reduction="none"))
    model, x, y, _ = linear_problem()
    results = []
    for pgd in (with_foolbox.pgd, with_foolbox.pgd_margin):
        torch.manual_seed(0)
        results.append(pgd(model, x, y, norm=norm, eps=0.05, alpha=0.01, steps=7, random_start=random_start))
    assert torch.equal(*results)


@pytest.mark.parametrize("pgd", PGDS[1:])
def test_a_model_sure_of_itself_hides_only_from_the_cross_entropy(pgd: Callable[..., Tensor]) -> None:
    linear, x, y, radius = linear_problem()
    sure = ThreeClasses(1e4 * linear.weight.detach()).eval().requires_grad_(False)
    eps = 1.1 * float(radius.max())
    params = {"norm": "linf", "eps": eps, "alpha": eps, "steps": 3, "random_start": False}
    assert wrong(sure, pgd(sure, x, y, **params), y).all()
    assert not wrong(sure, with_foolbox.pgd(sure, x, y, **params), y).all()


def test_two_classes_have_no_dlr_loss() -> None:
    model, x, y, _ = linear_problem(n=2)
    with pytest.raises(CellError, match="at least 3 classes, the model has 2"):
        with_foolbox.pgd_dlr(model, x, y, norm="linf", eps=0.1, alpha=0.1, steps=1, random_start=False)


@pytest.mark.parametrize(
    ("attack", "norm", "within", "nearest"),
    [
        (with_foolbox.ddn, "l2", 1.02, 0.01),
        *((with_foolbox.fmn, norm, 1.001, 0.0) for norm in (*NORMS, "l1")),
    ],
)
@pytest.mark.parametrize("n", [1, 64])
def test_ddn_and_fmn_come_near_a_linear_models_boundary(
    attack: Callable[..., Tensor], norm: str, within: float, nearest: float, n: int
) -> None:
    """DDN to 2 % where its radius can shrink so far, FMN to 0.1 %; never nearer than the boundary is."""
    model, x, y, _ = linear_problem(n=n)
    exact = closed_form(model, x, norm)
    images = attack(model, x, y, norm=norm, steps=100)
    assert wrong(model, images, y).all()
    ratio = distance(x, images, norm) / exact
    assert ratio.min() >= 1 - 1e-6
    assert (ratio < within)[exact > nearest].all()


@pytest.mark.parametrize("n", [1, 64])
def test_carlini_and_wagner_come_near_a_linear_models_boundary(n: int) -> None:
    """To a step of Adam, which moves each of the 64 pixels by up to 0.005; half of the far ones to 1 %."""
    model, x, y, _ = linear_problem(n=n)
    images = with_foolbox.cw(model, x, y, norm="l2", steps=500)
    assert wrong(model, images, y).all()
    exact, step = closed_form(model, x, "l2"), 0.005 * 64**0.5
    ratio = distance(x, images, "l2") / exact
    assert ratio.min() >= 1 - 1e-6
    assert (distance(x, images, "l2") - exact).max() <= step
    assert (exact > step).any()
    assert ratio[exact > step].median() < 1.01


@pytest.mark.parametrize("norm", NORMS)
def test_deepfool_ends_where_its_docstring_says(norm: str) -> None:
    model, x, y, _ = linear_problem()
    images = with_foolbox.deepfool(model, x, y, norm=norm, steps=50)
    assert wrong(model, images, y).all()
    expected = 1.02 * (closed_form(model, x, norm) + 1e-4)
    torch.testing.assert_close(distance(x, images, norm), expected, rtol=1e-4, atol=1e-6)


def test_fmn_projects_onto_the_l2_ball() -> None:
    import eagerpy as ep

    x0 = torch.rand(3, 1, 4, 4)
    x = x0 + torch.rand(3, 1, 4, 4)
    far = float(distance(x0, x, "l2").max())
    radius = torch.tensor([0.1, 0.5, far + 1])
    projected = _L2FMN().project(*(ep.astensor(t) for t in (x, x0, radius))).raw
    torch.testing.assert_close(distance(x0, projected, "l2")[:2], radius[:2].double())
    torch.testing.assert_close(projected[2], x[2])


@pytest.mark.parametrize("norm", [*NORMS, "l1"])
def test_on_a_trained_model_fmn_is_never_farther_than_ddn(norm: str) -> None:
    model = zoo.deploy(zoo.load("baseline_cnn_4"))
    data = zoo.data.load("digits", "test")
    x, y = data.images(0, 20), data.targets(0, 20)
    right = ~wrong(model, x, y)
    ddn = with_foolbox.ddn(model, x, y, norm="l2", steps=50)
    fmn = with_foolbox.fmn(model, x, y, norm=norm, steps=50)
    assert wrong(model, ddn, y).all()
    assert wrong(model, fmn, y).all()
    assert fmn.min() >= 0
    assert fmn.max() <= 1
    assert (distance(x, fmn, norm) <= distance(x, ddn, norm) + 1e-6).all()
    assert (distance(x, fmn, norm) < 0.999 * distance(x, ddn, norm))[right].double().mean() > 0.5
    assert torch.equal(ddn[~right], x[~right])


@pytest.mark.parametrize(("attack", "norm"), NEAREST)
def test_where_nothing_is_found_the_image_stays(attack: Callable[..., Tensor], norm: str) -> None:
    class Deaf(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.tensor([0.0, 1.0]) + 0 * x.flatten(1).sum(dim=1, keepdim=True)

    x = torch.rand(2, 1, 8, 8)
    assert torch.equal(attack(Deaf().eval(), x, torch.ones(2, dtype=torch.int64), norm=norm, steps=5), x)


@pytest.mark.parametrize("norm", NORMS)
def test_deepfools_last_iterate_counts_only_if_it_is_broken(norm: str) -> None:
    class Flattening(nn.Module):
        """The margin flattens out, so every linear step falls short."""

        def forward(self, x: Tensor) -> Tensor:
            score = torch.exp(-4 * x.flatten(1).mean(1)) - torch.exp(torch.tensor(-3.2))
            return torch.stack([score, torch.zeros_like(score)], dim=1)

    model, x, y = Flattening().eval(), torch.full((2, 1, 4, 4), 0.3), torch.zeros(2, dtype=torch.int64)
    assert torch.equal(with_foolbox.deepfool(model, x, y, norm=norm, steps=1), x)
    assert wrong(model, with_foolbox.deepfool(model, x, y, norm=norm, steps=10), y).all()


@pytest.mark.parametrize(("attack", "norm"), NEAREST)
def test_logits_that_are_not_finite_are_found(attack: Callable[..., Tensor], norm: str) -> None:
    """NaN logits at a wall: foolbox by itself would call an image of class 0 rightly classified there."""

    class Wall(Linear):
        def forward(self, x: Tensor) -> Tensor:
            logits = super().forward(x)
            return torch.where(logits[:, 1:] > 0, float("nan"), logits)

    linear, x, y, _ = linear_problem()
    model, x, y = Wall(linear.weight.detach()).eval().requires_grad_(False), x[y == 0], y[y == 0]
    images = attack(model, x, y, norm=norm, steps=100)
    assert torch.isfinite(images).all()
    assert torch.isnan(model(images)).all()


@pytest.mark.parametrize(
    "attack", [with_foolbox.ddn, with_foolbox.fmn, with_foolbox.deepfool, with_foolbox.cw]
)
def test_unknown_norms_are_named(attack: Callable[..., Tensor]) -> None:
    model, x, y, _ = linear_problem(n=1)
    with pytest.raises(CellError, match="in norm l3"):
        attack(model, x, y, norm="l3", steps=1)


CALLS: list[tuple[str, dict[str, object]]] = [
    *((name, {"norm": norm, "eps": 0.1, "alpha": 0.05, "steps": 3, "random_start": True})
      for name in ("pgd_margin", "pgd_dlr") for norm in NORMS),
    *((attack.__name__, {"norm": norm, "steps": 5}) for attack, norm in NEAREST),
    ("spatial_grid", {"rotation": 30.0, "translation": 0.1, "rotations": 3, "translations": 3}),
    ("spatial_random", {"rotation": 30.0, "translation": 0.1, "draws": 3}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "params"), CALLS)
@pytest.mark.parametrize("n", [1, 7])
def test_the_model_and_the_images_stay_as_they_were(name: str, params: dict[str, object], n: int) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.LazyLinear(4))
    net(torch.rand(16, 3, 8, 8))
    net.requires_grad_(False).eval()
    x, y = torch.rand(n, 3, 8, 8), torch.randint(0, 4, (n,))
    state, images = copy.deepcopy(net.state_dict()), x.clone()
    found = getattr(with_foolbox, name)(net, x, y, **params)
    assert found.shape == x.shape
    assert not found.requires_grad
    assert found.min() >= 0
    assert found.max() <= 1
    assert torch.equal(x, images)
    assert all(torch.equal(value, net.state_dict()[key]) for key, value in state.items())
    assert not any(module.training for module in net.modules())
    assert all(parameter.grad is None for parameter in net.parameters())
