"""zoo.intervals, zoo.margins: boxes hold what they must, for every layer, and are exact where that can be."""

import pytest
import torch
from torch import nn

from zoo.deployment import deploy
from zoo.entries import ARCHITECTURES
from zoo.intervals import FLOAT32, Box, NoBounds, Rules, ball, carried
from zoo.layers import P4, GroupPool, LiftingConv, Normalize, Resize, ScaleConv
from zoo.losses import learned
from zoo.margins import batch_statistics, margins
from zoo.models import build
from zoo.recipes import recipe

ROUNDED = Rules(unit=FLOAT32)


def images(n: int = 4, channels: int = 1, size: int = 16) -> torch.Tensor:
    return torch.rand(n, channels, size, size, generator=torch.Generator().manual_seed(0))


def lively(model: nn.Module) -> nn.Module:
    """Batch norm with statistics and scales that are not 0 and 1."""
    generator = torch.Generator().manual_seed(1)
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for tensor in (norm.running_mean, norm.running_var, norm.weight.data, norm.bias.data):
                assert tensor is not None
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
    return model.eval()


LAYERS = {
    "normalize": (Normalize(), 3),
    "lifting": (LiftingConv(3, 2, 3, P4, bias=True), 3),
    "scale": (ScaleConv(3, 2, 16), 3),
    "resize": (Resize(16, 8), 3),
    "pool": (GroupPool(P4), 4),
    "batch norm": (lively(nn.BatchNorm2d(3)), 3),
    "max pool": (nn.MaxPool2d(2), 3),
    "strided": (nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2), 4),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_box_holds_what_its_layer_gives_and_is_tight_for_one_value(name: str) -> None:
    layer, channels = LAYERS[name]
    x = images(2, channels)
    with torch.no_grad():
        box = carried(layer, ball(x.double(), 0.05), ROUNDED)
        point = carried(layer, ball(x.double(), 0.0), ROUNDED)
        for _ in range(50):
            near = (x + 0.1 * (torch.rand_like(x) - 0.5)).clamp(0, 1)
            out = layer(near).double()
            assert bool((out >= box.lo).all() and (out <= box.hi).all())
        out = layer(x).double()
        assert bool((out >= point.lo).all() and (out <= point.hi).all())
    assert (point.hi - point.lo).max() < 1e-4


@pytest.mark.parametrize("name", ["plain", "biased"])
def test_the_box_of_a_convolution_is_reached(name: str) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(2, 3, 3, padding=1, bias=name == "biased").double()
    x = images(1, 2, 8).double() * 0.5 + 0.25
    with torch.no_grad():
        box = carried(conv, ball(x, 0.1), Rules())
        signs = conv.weight[1].sign()
        worst = x.clone()
        worst[0, :, 3:6, 3:6] += 0.1 * signs
        torch.testing.assert_close(conv(worst)[0, 1, 4, 4], box.hi[0, 1, 4, 4], rtol=0, atol=1e-12)


def test_a_linear_model_has_exact_margins_with_the_box_clipped() -> None:
    """The worst image of a ball is known: each pixel at the end that its weight dislikes."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(256, 5)).double()
    x, y, eps = images().double(), torch.tensor([0, 3, 4, 1]), 0.3
    low = margins(model, ball(x, eps), y)
    weight, bias = model[1].weight, model[1].bias
    for i in range(4):
        for j in range(5):
            row = weight[y[i]] - weight[j]
            ends = torch.where(
                row > 0, (x[i] - eps).clamp(min=0).flatten(), (x[i] + eps).clamp(max=1).flatten()
            )
            assert low[i, j].item() == pytest.approx((row @ ends + bias[y[i]] - bias[j]).item(), abs=1e-12)
    assert bool((low.gather(1, y[:, None]) == 0).all())
    rounded = margins(model, ball(x, eps), y, ROUNDED)
    other = torch.arange(5) != y[:, None]
    assert bool((rounded < low)[other].all())
    assert (low - rounded).max() < 0.01


@pytest.mark.parametrize("name", [f"{each}_4" for each in ARCHITECTURES])
def test_margins_of_every_design_hold_and_meet_the_network_at_a_point(name: str) -> None:
    torch.manual_seed(0)
    raw = lively(build(name, channels=1, size=16))
    x, y = images(), torch.arange(4)
    deployed = deploy(raw)
    with torch.no_grad():
        exact = raw.double()(x.double())
        real = exact.gather(1, y[:, None]) - exact
        torch.testing.assert_close(margins(raw, ball(x.double(), 0.0), y), real, rtol=1e-9, atol=1e-9)
        point = margins(deployed, ball(x.double(), 0.0), y, ROUNDED)
        logits = deployed(x).double()
        own = logits.gather(1, y[:, None]) - logits
        assert bool((point <= own).all())
        assert bool((point <= real).all())
        low = margins(deployed, ball(x.double(), 0.02), y, ROUNDED)
        assert bool((low <= point).all())
        for _ in range(20):
            near = (x + 0.02 * torch.empty_like(x).uniform_(-1, 1).sign()).clamp(0, 1)
            logits = deployed(near).double()
            assert bool((low <= logits.gather(1, y[:, None]) - logits).all())


def test_rules_of_training_are_those_of_the_last_pass() -> None:
    """In train mode a box without width is the network's own output, statistics of the batch included."""
    torch.manual_seed(0)
    model = build("parallel_gcnn_rs_4", channels=1, size=16).double().train()
    x, y = images().double(), torch.arange(4)
    with batch_statistics(model) as rules:
        logits = model(x)
    low = margins(model, Box(x, x), y, rules)
    torch.testing.assert_close(low, logits.gather(1, y[:, None]) - logits, rtol=1e-9, atol=1e-9)
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_the_loss_of_ibp_is_the_mean_of_clean_and_worst() -> None:
    torch.manual_seed(0)
    model = build("baseline_cnn_4", channels=1, size=16).train()
    x, y = images(), torch.arange(4)
    ours = recipe("ibp", 16)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    at_zero, logits = learned(model, x, y, ours, 0.0)
    clean = nn.functional.cross_entropy(logits, y)
    torch.testing.assert_close(at_zero, clean)
    model.load_state_dict(state)
    wide, _ = learned(model, x, y, ours, 0.01)
    assert wide > clean
    wide.backward()
    assert all(value.grad is not None for value in model.parameters())


def test_what_is_not_known_is_named() -> None:
    with pytest.raises(NoBounds, match="GELU"):
        carried(nn.Sequential(nn.GELU()), ball(images(), 0.1), Rules())
    with pytest.raises(NoBounds, match="reflect"):
        carried(nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"), ball(images(), 0.1), Rules())
