"""Interval and Lipschitz certificates: exact where they can be, below every point and attack where not."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import zoo
from bench.attacks import foolbox_minimum, with_foolbox
from bench.attacks.with_torchattacks import pgd
from bench.studies.certify.interval import holds, interval_radii
from bench.studies.certify.lipschitz import conv_norm, lipschitz_radii, matrix_norm, pair_bounds
from bench.studies.clever import upper_bounds
from zoo.deployment import deploy
from zoo.entries import ARCHITECTURES
from zoo.intervals import NoBounds
from zoo.layers import Resize
from zoo.models import build

N = 10
POINTS = 10_000
DIGITS = sorted(each.name for each in zoo.shipped().values() if each.dataset == "digits")


@functools.cache
def digits(n: int = N) -> tuple[Tensor, Tensor]:
    data = zoo.data.load("digits", "test")
    return data.images(0, n), torch.from_numpy(data.labels[:n].astype(np.int64))


@functools.cache
def network(name: str) -> nn.Module:
    return deploy(zoo.load(name, dataset="digits"))


def linear(classes: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, classes)).requires_grad_(False)


def test_interval_radii_of_a_linear_model_are_the_distances_to_its_boundary() -> None:
    model, x = linear(2), torch.full((6, 1, 4, 4), 0.5) + 0.02 * torch.randn(6, 1, 4, 4)
    y = model(x).argmax(1)
    row = (model[1].weight[0] - model[1].weight[1]).double()
    margin = (model[1].double()(x.double().flatten(1)) @ torch.tensor([1.0, -1.0]).double()).abs()
    model[1].float()
    want = (margin / row.abs().sum()).numpy()
    found = interval_radii(model, x, y)
    assert (found <= want).all()
    assert found == pytest.approx(want, rel=1e-3)
    assert (interval_radii(model, x, 1 - y) == 0).all()


def test_lipschitz_radii_of_a_linear_model_are_the_distances_to_its_boundary() -> None:
    model, x = linear(2), torch.rand(6, 1, 4, 4)
    y = model(x).argmax(1)
    row = (model[1].weight[0] - model[1].weight[1]).double()
    logits = (x.double().flatten(1) @ model[1].weight.double().T) + model[1].bias.double()
    margin = (logits[:, 0] - logits[:, 1]).abs().numpy()
    for norm, order in (("l2", 2), ("linf", 1)):
        found = lipschitz_radii(model, x, y, norm)
        size = float(torch.linalg.vector_norm(row, ord=order))
        assert found["bound"] == pytest.approx(np.full(6, size), rel=1e-6)
        assert found["radius"] == pytest.approx(margin / size, rel=1e-6)
        assert (found["radius"] <= margin / size).all()


@pytest.mark.parametrize(
    ("stride", "padding", "groups", "dilation"), [(1, 1, 1, 1), (1, 0, 2, 1), (2, 1, 1, 1), (1, 2, 1, 2)]
)
def test_the_norm_of_a_convolution_is_not_below_that_of_its_matrix(
    stride: int, padding: int, groups: int, dilation: int
) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(2, 4, 3, stride=stride, padding=padding, groups=groups, dilation=dilation, bias=False)
    conv = conv.double().requires_grad_(False)
    units = torch.eye(2 * 16 * 12).double().view(-1, 2, 16, 12)
    matrix = conv(units).flatten(1).T
    for norm, order in (("l2", 2), ("linf", float("inf"))):
        true = float(torch.linalg.matrix_norm(matrix, order))
        bound = conv_norm(conv, 16, 12, norm)
        assert true <= bound * (1 + 1e-12)
        if stride == 1:  # what is left is the border, and shrinks with the image
            assert bound < 1.08 * true
    with pytest.raises(NoBounds, match="circular"):
        conv_norm(nn.Conv2d(1, 1, 3, padding_mode="circular"), 4, 4, "l2")


def test_a_resize_has_the_norm_of_its_matrix_twice() -> None:
    layer = Resize(8, 16).double()
    matrix = layer(torch.eye(64).double().view(64, 8, 8)).flatten(1).T
    for norm, order in (("l2", 2), ("linf", float("inf"))):
        assert matrix_norm(layer.matrix, norm) ** 2 == pytest.approx(
            float(torch.linalg.matrix_norm(matrix, order))
        )


@pytest.mark.parametrize("name", [f"{each}_4" for each in ARCHITECTURES])
@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_no_gradient_is_above_the_lipschitz_bound(name: str, norm: str) -> None:
    torch.manual_seed(0)
    model = deploy(build(name, channels=1, size=16))
    bounds = pair_bounds(model, (1, 16, 16), norm)
    assert bounds == pytest.approx(bounds.T)
    x = torch.rand(16, 1, 16, 16, requires_grad=True)
    logits = model(x)
    for j in (1, 2):
        (slope,) = torch.autograd.grad((logits[:, 0] - logits[:, j]).sum(), x, retain_graph=True)
        sizes = torch.linalg.vector_norm(slope.flatten(1), ord=2 if norm == "l2" else 1, dim=1)
        assert 0 < float(sizes.max()) <= bounds[0, j]


def test_lipschitz_bounds_hold_between_points() -> None:
    x, y = digits()
    model = network("equivariant_gcnn_4")
    for norm, order in (("l2", 2), ("linf", float("inf"))):
        bounds = pair_bounds(model, (1, 16, 16), norm)[y.numpy()]
        with torch.no_grad():
            near = (x + 0.3 * torch.randn_like(x)).clamp(0, 1)
            change = model(near) - model(x)
            change = (change.gather(1, y[:, None]) - change).abs().double().numpy()
        size = torch.linalg.vector_norm((near - x).double().flatten(1), ord=order, dim=1).numpy()
        assert (change <= bounds * size[:, None] + 1e-3).all()


@pytest.mark.parametrize(
    "name", ["baseline_cnn_4.ibp", pytest.param("equivariant_gcnn_4", marks=pytest.mark.slow)]
)
def test_no_random_point_and_no_pgd_leaves_the_class_within_a_certificate(name: str) -> None:
    """10,000 points of the ball and its corners, and PGD with restarts, for each image."""
    x, y = digits()
    model = network(name)
    found = interval_radii(model, x, y)
    right = (model(x).argmax(1) == y).numpy()
    assert (found[~right] == 0).all()
    if name.endswith(".ibp"):
        assert (found[right] > 0.01).mean() > 0.8
    generator = torch.Generator().manual_seed(0)
    for i in (found > 0).nonzero()[0]:
        radius = float(found[i]) * (1 - 1e-6)
        for first in range(0, POINTS, 1000):
            u = 2 * torch.rand(1000, 1, 16, 16, generator=generator) - 1
            u = u.sign() if first % 2000 else u
            with torch.no_grad():
                assert bool((model((x[i] + radius * u).clamp(0, 1)).argmax(1) == y[i]).all())
        torch.manual_seed(0)
        many, labels = x[i : i + 1].expand(10, -1, -1, -1), y[i].expand(10)
        attacked = pgd(
            model, many, labels, norm="linf", eps=radius, alpha=radius / 5, steps=20, random_start=True
        )
        with torch.no_grad():
            assert bool((model(attacked).argmax(1) == y[i]).all())


@pytest.fixture
def one_ddn(monkeypatch: pytest.MonkeyPatch) -> None:
    """DDN runs once for both norms: FMN begins with the very same call."""
    kept: list[Tensor] = []

    def ddn(*args: Any, **options: Any) -> Tensor:
        assert {name: options.pop(name) for name in ("norm", "steps")} == {"norm": "l2", "steps": 100}
        assert options.pop("target", None) is None
        if not kept:
            kept.append(attack(*args, norm="l2", steps=100, **options))
        return kept[0].clone()

    attack = with_foolbox.ddn
    monkeypatch.setattr(with_foolbox, "ddn", ddn)
    monkeypatch.setattr(foolbox_minimum, "ddn", ddn)


@pytest.mark.slow
@pytest.mark.usefixtures("one_ddn")
@pytest.mark.parametrize("name", DIGITS)
def test_no_certificate_is_above_the_smallest_attack_on_all_digits(name: str) -> None:
    x, y = digits(360)
    model = network(name)
    interval = interval_radii(model, x, y)
    for norm in ("linf", "l2"):
        attack = upper_bounds(model, x, y, norm, first=0, seed=0)["distance"]
        lipschitz = lipschitz_radii(model, x, y, norm)["radius"]
        attacked = attack > 0
        assert not (interval >= attack)[attacked].any()
        assert not (lipschitz >= attack)[attacked].any()


def test_holding_is_monotone_and_a_broken_network_holds_nothing() -> None:
    x, y = digits()
    model = network("baseline_cnn_4.ibp")
    widths = torch.tensor([0.0, 0.01, 0.03, 0.1, 0.5]).double()
    held = torch.stack([holds(model, x, y, width.expand(N)) for width in widths])
    assert bool((held[1:] <= held[:-1]).all())
    assert bool(held[1].any())
    assert not bool(held[-1].any())
    broken = nn.Sequential(nn.Flatten(), nn.Linear(256, 10))
    with torch.no_grad():
        broken[1].weight.fill_(float("nan"))
    assert not bool(holds(broken, x, y, torch.zeros(N).double()).any())
