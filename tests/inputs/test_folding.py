"""Folded models: the same logits and gradients, and left alone where that cannot be had."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from bench.inputs.cropping import seen
from bench.inputs.folding import Folded, folded, worth_folding
from bench.inputs.foreign import folded_if_equal, is_folded
from bench.inputs.own_models import state_digest
from bench.inputs.preparation import Preparation, Prepared
from bench.inputs.sources import deployed
from zoo import deploy

PUBLISHED = ("resnet18", "mobilenet_v3_small", "efficientnet_b0", "densenet121")


def images(n: int = 8, side: int = 32) -> Tensor:
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(1))


def published(name: str) -> nn.Module:
    """A model of torchvision with seeded weights and statistics that some images left."""
    torch.manual_seed(0)
    model = getattr(torchvision.models, name)(num_classes=10).train()
    with torch.no_grad():
        model(images(16, 64))
    return model.eval()


def small() -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.5),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4),
    )  # fmt: skip
    model(images())
    return model.eval()


def gradient(model: nn.Module, x: Tensor) -> Tensor:
    points = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(model(points).logsumexp(1).sum(), points)
    return slope


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_networks_are_folded_to_their_equal(name: str) -> None:
    made = published(name)
    digest, plain, x = state_digest(made), deploy(made), images()
    ready = folded_if_equal(deployed(made, "cpu"), x)
    assert is_folded(ready)
    assert state_digest(made) == digest
    with torch.no_grad():
        expected = plain(x)
        torch.testing.assert_close(
            ready(x), expected, rtol=0, atol=1e-5 * max(1, float(expected.abs().max()))
        )
    slope, other = gradient(plain, x), gradient(ready, x)
    away = (slope - other).flatten(1).norm(dim=1) / slope.flatten(1).norm(dim=1)
    assert float(away.median()) <= 1e-5
    assert other.is_contiguous()


@pytest.mark.parametrize("name", PUBLISHED)
def test_batch_norm_after_a_convolution_is_gone_and_what_was_given_is_as_it_was(name: str) -> None:
    plain = deploy(published(name))
    before = {key: (value.data_ptr(), value.stride()) for key, value in plain.state_dict().items()}
    equal = folded(plain)
    assert equal is not None

    def norms(model: nn.Module) -> int:
        return sum(isinstance(part, nn.BatchNorm2d) for part in model.modules())

    assert norms(equal) < norms(plain)
    if name != "densenet121":  # whose norms come first
        assert norms(equal) == 0
    assert {key: (value.data_ptr(), value.stride()) for key, value in plain.state_dict().items()} == before
    shared = {value.data_ptr() for value in plain.parameters()} & {
        value.data_ptr() for value in equal.parameters()
    }
    linear = [part.weight.data_ptr() for part in plain.modules() if isinstance(part, nn.Linear)]
    assert set(linear) <= shared  # no second copy of what folding does not change
    assert not any(value.requires_grad for value in equal.parameters())


def test_images_of_another_size_are_answered_too() -> None:
    plain = deploy(published("resnet18"))
    equal = folded(plain)
    assert equal is not None
    for side in (32, 64, 40, 32):
        torch.testing.assert_close(equal(images(2, side)), plain(images(2, side)), rtol=1e-4, atol=1e-5)


class Noisy(nn.Module):
    """Adds noise that the tolerance would let pass."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.body, self.scale = small(), scale

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.scale * torch.randn(len(x), 4)


class Noise(Noisy):
    """As ``Noisy``, in a way that can be traced."""

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.scale * torch.randn_like(self.body(x))


class Branching(nn.Module):
    """Goes one way or the other by what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.body = small()

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) if x.mean() > 0.5 else -self.body(x)


class OneSize(Branching):
    """Its trace holds the number of images of the first batch it met."""

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) * (1.0 if getattr(x, "shape", (0,))[0] == 8 else 2.0)


class Cut(Branching):
    """Hides its gradient, which tracing would bring back."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            hidden = self.body[0](x)
        return self.body[1:](hidden) + 0 * x.mean()


class ActiveDropout(Branching):
    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(self.body(x), 0.5, training=True)


def hooked() -> nn.Module:
    model = small()
    model[2].register_forward_hook(lambda part, inputs, output: output + 1)
    return model


def in_training() -> nn.Module:
    model = small()
    model[1].train()
    model[1].eval = lambda: model[1]  # keeps its batch statistics, whoever asks
    model[1].train = lambda mode=True: model[1]
    return model


def transformer() -> nn.Module:
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    return nn.Sequential(
        nn.Conv2d(3, 16, 8, 8), nn.Flatten(2), Swap(), layer, nn.Flatten(), nn.Linear(256, 4)
    ).eval()


class Swap(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Noisy(1e-9),
        lambda: Noise(1e-9),
        lambda: Noise(1.0),
        Branching,
        OneSize,
        Cut,
        ActiveDropout,
        hooked,
        in_training,
        lambda: small().double(),
        lambda: small().half(),
        pytest.param(
            lambda: torch.jit.script(small()), marks=pytest.mark.filterwarnings("ignore::FutureWarning")
        ),
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 4)),
    ],
)
def test_what_cannot_be_folded_stays_as_it_is(make: Callable[[], nn.Module]) -> None:
    ready = deployed(make(), "cpu")
    assert folded_if_equal(ready, images()) is ready
    assert not is_folded(ready)


def test_a_transformer_block_gives_what_it_gave() -> None:
    torch.manual_seed(0)
    plain, x = deployed(transformer(), "cpu"), images()
    torch.testing.assert_close(folded_if_equal(plain, x)(x), plain(x), rtol=1e-5, atol=1e-5)


def test_an_equal_that_is_wrong_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = deploy(small()), images()
    assert worth_folding(model, x)
    for change in (
        lambda y: y + 1e-4,
        lambda y: y.detach() + 0.5 * (y - y.detach()),
        lambda y: y.detach() + 0.999 * (y - y.detach()),
    ):  # logits, then gradients, also of every image by no more than at a kink

        def wrong(self: Folded, at: Tensor, change: Callable[[Tensor], Tensor] = change) -> Tensor:
            return change(self.body(at))

        with monkeypatch.context() as patch:
            patch.setattr(Folded, "forward", wrong)
            assert not worth_folding(model, x)


def test_one_convolution_under_two_norms_is_left_as_it_is() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3, padding=1)
            self.one, self.two = nn.BatchNorm2d(3), nn.BatchNorm2d(3)

        def forward(self, x: Tensor) -> Tensor:
            return (self.two(self.conv(self.one(self.conv(x)))) ** 2).mean((2, 3))

    torch.manual_seed(0)
    model, x = Twice(), images()
    model(x)
    plain = deploy(model)
    equal = folded(plain)
    assert equal is not None
    assert worth_folding(plain, x)
    assert sum(isinstance(part, nn.BatchNorm2d) for part in equal.modules()) == 2


class Same(nn.Conv2d):
    """A convolution that pads its images by itself and calls torch's function, as TensorFlow's ports do."""

    def __init__(self, padding: tuple[int, int, int, int], *args: int, **options: Any) -> None:
        super().__init__(*args, **options)
        self.pad = nn.ZeroPad2d(padding)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.conv2d(
            self.pad(x), self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )


def same() -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(
        Same((0, 1, 0, 1), 3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(),
        Same((1, 1, 2, 2), 8, 8, (5, 3), groups=4, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4),
    )  # fmt: skip
    model(images())
    return model.eval()


def test_a_convolution_of_ones_own_class_is_folded() -> None:
    plain, x = deploy(same()), images()
    equal = folded(plain)
    assert equal is not None
    assert worth_folding(plain, x)
    parts = list(equal.modules())
    assert not any(isinstance(part, nn.BatchNorm2d) for part in parts)
    assert [part.padding for part in parts if type(part) is nn.ZeroPad2d] == [(0, 1, 0, 1)]
    assert [part.padding for part in parts if type(part) is nn.Conv2d] == [(0, 0), (2, 1)]
    torch.testing.assert_close(equal(x), plain(x), rtol=1e-5, atol=1e-6)


def test_a_prepared_model_is_folded_behind_its_preparation() -> None:
    preparation = Preparation(size=32, mean=(0.5,), std=(0.2,), classes=(2, 0, 1))
    made = Prepared(small(), preparation).eval()
    plain, x = deployed(made, "cpu"), images(side=24)
    ready = folded_if_equal(plain, x)
    assert is_folded(ready)
    assert not is_folded(plain)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in ready.modules())
    assert ready(x).shape == (8, 3)
    torch.testing.assert_close(ready(x), plain(x), rtol=1e-5, atol=1e-6)
    assert is_folded(deployed(made, "cpu", fold=True))


def test_a_kernel_that_is_computed_is_left_as_it_is() -> None:
    class Standardised(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.conv2d(x, self.weight - self.weight.mean(), self.bias)

    torch.manual_seed(0)
    plain = deploy(nn.Sequential(Standardised(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(3600, 2)))
    equal, x = folded(plain), images()
    assert equal is not None
    assert sum(isinstance(part, nn.BatchNorm2d) for part in equal.modules()) == 1
    torch.testing.assert_close(equal(x), plain(x), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_kinks_that_rounding_crosses_in_every_image_do_not_hide_equality() -> None:
    torch.manual_seed(0)
    x = images(side=128)
    drawn = torch.rand(4, 3, 128, 128, generator=torch.Generator().manual_seed(0))  # as the check draws them
    points = torch.cat([x[:4], drawn])
    conv, norm = nn.Conv2d(3, 32, 1), nn.BatchNorm2d(32)
    with torch.no_grad():  # four units lie at zero, but for rounding, in a pixel of each point
        norm.running_mean = torch.stack([conv(points[i // 4])[i, 0, 0] for i in range(32)])
        norm.running_var = torch.rand(32) + 0.5
    model = nn.Sequential(conv, norm, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 4))
    plain = deploy(model.eval())
    equal = folded(plain)
    assert equal is not None
    slope, other = gradient(plain, points), gradient(equal, points)
    away = (slope - other).flatten(1).norm(dim=1) / slope.flatten(1).norm(dim=1)
    assert float(away.median()) > 1e-5  # or this test would show nothing
    assert worth_folding(plain, x)


def test_a_kernel_is_cropped_to_what_it_can_see() -> None:
    assert seen(1, 5, 1, 2) == (slice(2, 3), 0)
    assert seen(2, 5, 2, 2) == (slice(2, 4), 0)
    assert seen(2, 5, 1, 2) == (slice(1, 4), 1)
    assert seen(8, 3, 1, 1) == (slice(0, 3), 1)


@pytest.mark.parametrize("side", range(1, 7))
def test_a_cropped_axis_gives_the_same_numbers(side: int) -> None:
    generator = torch.Generator().manual_seed(side)
    x = torch.rand(1, 1, side, dtype=torch.float64, generator=generator)
    for kernel in range(1, 8):
        weight = torch.randn(1, 1, kernel, dtype=torch.float64, generator=generator)
        for stride in (1, 2, 3):
            for padding in range(kernel):
                for dilation in (1, 2):
                    if side + 2 * padding < dilation * (kernel - 1) + 1:
                        continue
                    taps, less = seen(side, kernel, stride, padding, dilation)
                    whole = nn.functional.conv1d(x, weight, None, stride, padding, dilation)
                    part = nn.functional.conv1d(x, weight[:, :, taps], None, stride, less, dilation)
                    torch.testing.assert_close(part, whole, rtol=0, atol=1e-12)


def test_a_folded_model_is_what_a_copy_of_it_is() -> None:
    equal = folded(deploy(small()))
    assert equal is not None
    assert torch.equal(copy.deepcopy(equal)(images()), equal(images()))
