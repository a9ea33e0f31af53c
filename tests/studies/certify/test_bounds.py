"""Interval and Lipschitz certificates: exact where they can be, below every point and attack where not."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import zoo
from bench.attacks import foolbox_minimum, with_foolbox
from bench.attacks.with_torchattacks import pgd
from bench.inputs.outputs import giving_logits
from bench.inputs.preparation import Preparation, Prepared
from bench.studies.certify import lipschitz
from bench.studies.certify.cells import bounds_known
from bench.studies.certify.interval import holds, interval_radii
from bench.studies.certify.layers import layers_of
from bench.studies.certify.lipschitz import Gain, conv_norm, gained, lipschitz_radii, matrix_norm, pair_bounds
from bench.studies.clever import upper_bounds
from zoo.deployment import deploy
from zoo.entries import ARCHITECTURES
from zoo.intervals import FLOAT32, Box, NoBounds, Rules, carried
from zoo.layers import Resize
from zoo.losses import learned
from zoo.models import build
from zoo.recipes import recipe

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
def test_the_norm_of_a_convolution_is_that_of_its_matrix_or_a_little_above(
    stride: int, padding: int, groups: int, dilation: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(2, 4, 3, stride=stride, padding=padding, groups=groups, dilation=dilation, bias=False)
    conv = conv.double().requires_grad_(False)
    units = torch.eye(2 * 16 * 12).double().view(-1, 2, 16, 12)
    matrix = conv(units).flatten(1).T
    for norm, order in (("l2", 2), ("linf", float("inf"))):
        true = float(torch.linalg.matrix_norm(matrix, order))
        monkeypatch.setattr(lipschitz, "EXACT", 2 * 16 * 12)
        assert norm == "linf" or conv_norm(conv, 16, 12, norm) == pytest.approx(true, rel=1e-12)
        monkeypatch.setattr(lipschitz, "EXACT", 2 * 16 * 12 - 1)
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


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation", "windows"),
    [(2, 2, 1, 1), (3, 2, 1, 4), ((1, 4), (1, 1), 1, 4), ((2, 3), (2, 1), 1, 3), (2, 2, 2, 4), (3, 1, 2, 9)],
)
def test_a_max_pool_counts_a_pixel_in_every_window_that_has_it(
    kernel: Any, stride: Any, dilation: int, windows: int
) -> None:
    """One pixel above all others is the largest of every window that has it."""
    pool = nn.MaxPool2d(kernel, stride, dilation=dilation)
    found = gained(pool, Gain(1.0, torch.Size((1, 1, 16, 16)), "l2")).factor
    assert found == pytest.approx(windows**0.5)
    spikes = torch.eye(256).view(256, 1, 16, 16)
    assert float((pool(spikes) > 0).sum((1, 2, 3)).max()) <= windows
    assert gained(pool, Gain(1.0, torch.Size((1, 1, 16, 16)), "linf")).factor == pytest.approx(1.0)


@pytest.mark.parametrize(
    "pool",
    [
        nn.AvgPool2d(2),
        nn.AvgPool2d(3, 2, 1),
        nn.AvgPool2d((3, 1), 1, (1, 0), count_include_pad=False),
        nn.AvgPool2d(3, 2, ceil_mode=True, divisor_override=4),
        nn.AdaptiveAvgPool2d(1),
        nn.AdaptiveAvgPool2d((3, 5)),
    ],
)
def test_bounds_of_average_pooling_are_those_of_its_matrix(pool: nn.Module) -> None:
    matrix = pool(torch.eye(64).double().view(64, 1, 8, 8)).flatten(1).T
    shape = torch.Size((1, 1, 8, 8))
    true = {
        norm: float(torch.linalg.matrix_norm(matrix, order))
        for norm, order in (("l2", 2), ("linf", torch.inf))
    }
    found = {norm: gained(pool, Gain(1.0, shape, norm)).factor for norm in true}
    assert found["linf"] == pytest.approx(true["linf"])
    assert true["l2"] <= found["l2"] <= 1.4 * true["l2"]
    x = torch.rand(2, 1, 8, 8).double()
    box = carried(pool, Box(x, x + 0.5), Rules(unit=FLOAT32))
    low, high = (matrix @ each.flatten(1).T for each in (x, x + 0.5))
    assert (low >= box.lo.flatten(1).T).all()
    assert (high <= box.hi.flatten(1).T).all()
    assert box.hi.flatten(1).T.numpy() == pytest.approx(high.numpy(), rel=1e-5)
    assert (pool((x + 0.5).float()).double() <= box.hi).all()


def test_average_pooling_in_closed_form() -> None:
    """The mean of n values that count once changes by 1/√n of their change at most."""
    shape = torch.Size((1, 3, 8, 8))
    for pool, factor in (
        (nn.AvgPool2d(2), 1 / 2),
        (nn.AvgPool2d(4), 1 / 4),
        (nn.AdaptiveAvgPool2d(1), 1 / 8),
    ):
        assert gained(pool, Gain(1.0, shape, "l2")).factor == pytest.approx(factor)
        assert gained(pool, Gain(1.0, shape, "linf")).factor == pytest.approx(1.0)
    negative = nn.AvgPool2d(2, divisor_override=-4)
    with pytest.raises(NoBounds, match="negative divisor"):
        carried(negative, Box(torch.zeros(shape), torch.ones(shape)), Rules())


@functools.cache
def plain() -> nn.Module:
    """Of layers that a user's own network may have."""
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(4)
    torch.nn.init.uniform_(norm.running_mean)
    torch.nn.init.uniform_(norm.running_var, 0.5, 2.0)
    torch.nn.init.uniform_(norm.weight, -1.0, 1.0)
    layers = (nn.Conv2d(1, 4, 3, padding=1), norm, nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.Flatten())
    return nn.Sequential(*layers, nn.Linear(256, 10)).requires_grad_(False).eval()


def test_bounds_of_batch_norm_are_exact_or_hold() -> None:
    norm = plain()[1]
    factor = float((norm.weight / torch.sqrt(norm.running_var + norm.eps)).abs().max())
    for of in ("l2", "linf"):
        assert gained(norm, Gain(3.0, torch.Size((1, 4, 8, 8)), of)).factor == pytest.approx(3 * factor)
    x, _ = digits()
    model = plain()
    y = model(x).argmax(1)
    radii = {
        "ibp": interval_radii(model, x, y),
        "l∞": lipschitz_radii(model, x, y, "linf")["radius"],
    }
    generator = torch.Generator().manual_seed(0)
    for found in radii.values():
        assert (found > 0).all()
        for i in range(N):
            corners = (2 * torch.rand(500, 1, 16, 16, generator=generator) - 1).sign() * float(found[i])
            assert bool((model((x[i] + corners).clamp(0, 1)).argmax(1) == y[i]).all())


def test_a_layer_that_computes_something_else_than_its_class_has_no_bounds() -> None:
    class Steep(nn.Sequential):
        def forward(self, input: Tensor) -> Tensor:
            return super().forward(10 * input)

    class Doubled(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            return 2 * super().forward(input)

    class Named(nn.Linear):
        pass

    hooked, before, patched = linear(), linear(), linear()
    hooked[1].register_forward_hook(lambda layer, given, output: 5 * output)
    before.register_forward_pre_hook(lambda layer, given: (5 * given[0],))
    patched[1].forward = lambda input: 5 * F.linear(input, patched[1].weight)
    bad = (Steep(*linear()), nn.Sequential(nn.Flatten(), Doubled(16, 3)), hooked, before, patched)
    deep = (nn.Sequential(nn.Flatten(), nn.Sequential(Doubled(16, 3), nn.ReLU()), nn.Linear(3, 3)),)
    x, y = torch.rand(2, 1, 4, 4), torch.tensor([0, 1])
    for model in (*bad, *deep):
        with pytest.raises(NoBounds, match="of its own"):
            holds(model, x, y, torch.zeros(2).double())
        with pytest.raises(NoBounds, match="of its own"):
            pair_bounds(model, (1, 4, 4), "l2")
    torch.manual_seed(0)
    same = nn.Sequential(nn.Flatten(), torch.nn.utils.parametrizations.spectral_norm(Named(16, 3)))
    assert pair_bounds(same.eval(), (1, 4, 4), "l2").shape == (3, 3)


def test_options_that_normalise_are_a_layer_of_the_bounds() -> None:
    """(255 x − m) / s before a linear model is another linear model, whose distances are known."""
    steps = Preparation(scale=255.0, bgr=True, mean=(100.0, 120.0, 140.0), std=(50.0, 60.0, 70.0))
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(48, 2)).requires_grad_(False)
    prepared, x = Prepared(model, steps), torch.full((6, 3, 4, 4), 0.5) + 0.001 * torch.randn(6, 3, 4, 4)
    y, logits = prepared(x).argmax(1), model(steps.apply(x)).double()
    gradient = model[1].weight[0].view(3, 4, 4) - model[1].weight[1].view(3, 4, 4)
    gradient = gradient * (255 / torch.tensor(steps.std))[:, None, None]
    want = (logits[:, 0] - logits[:, 1]).abs() / gradient.double().abs().sum()
    layers = layers_of(prepared)
    found = interval_radii(layers, x, y)
    assert (want < 0.2).all()  # no ball is cut by the range of pixels
    assert found == pytest.approx(want.numpy(), rel=1e-2)
    assert (found <= want.numpy()).all()
    product = lipschitz_radii(layers, x, y, "linf")["radius"]
    assert (product > 0).all()
    assert (product <= want.numpy()).all()
    images = np.full((1, 3, 4, 4), 0.5, dtype=np.float32)
    bounds_known(giving_logits(prepared), images, "linf")
    assert layers_of(model) is model
    for other in (Preparation(size=8), Preparation(output="0"), Preparation(classes=(1, 0))):
        with pytest.raises(NoBounds, match="--input-size, --output or --classes"):
            layers_of(Prepared(model, other))
    for negative in (Preparation(std=(-1.0,)), Preparation(scale=-1.0)):
        with pytest.raises(NoBounds, match="negative --std or --scale"):
            layers_of(Prepared(model, negative))


def test_one_output_for_two_classes_has_no_bounds() -> None:
    model = giving_logits(nn.Sequential(nn.Flatten(), nn.Linear(16, 1)))
    with pytest.raises(NoBounds, match="its last layer gives 1 numbers for 2 classes"):
        bounds_known(model, np.zeros((1, 1, 4, 4), dtype=np.float32), "linf")
    with pytest.raises(NoBounds, match="its last layer gives 1 numbers for 2 classes"):
        learned(model, torch.zeros(2, 1, 4, 4), torch.tensor([0, 1]), recipe("ibp", 16), 0.1)
    model = giving_logits(linear())
    bounds_known(model, np.zeros((1, 1, 4, 4), dtype=np.float32), "linf")


def test_a_network_that_never_changes_is_certified_for_all_images() -> None:
    model = linear()
    model[1].weight.zero_()
    model[1].bias.copy_(torch.tensor([1.0, 0.0, -1.0]))
    x, y = torch.rand(2, 1, 4, 4), torch.tensor([0, 1])
    assert lipschitz_radii(model, x, y, "linf")["radius"].tolist() == [1.0, 0.0]
    assert lipschitz_radii(model, x, y, "l2")["radius"].tolist() == [4.0, 0.0]


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
        product = lipschitz_radii(model, x, y, norm)["radius"]
        attacked = attack > 0
        assert not (interval >= attack)[attacked].any()
        assert not (product >= attack)[attacked].any()


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
