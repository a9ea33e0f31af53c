"""A deployed model is the equal of the one it was made from, and behaves as attack libraries expect."""

from __future__ import annotations

import copy
import threading

import pytest
import torch
from torch import Tensor, nn

from zoo.deployment import Deployed, DeployError, deploy
from zoo.entries import ENTRIES
from zoo.layers import GroupBatchNorm, GroupConv, LiftingConv
from zoo.models import ARCHITECTURES, build

BUILDS = sorted({(each.architecture, each.depth) for each in ENTRIES.values()})


def lived_in(name: str, dtype: torch.dtype = torch.float32, **sizes: int) -> nn.Module:
    """A model in training mode with batch-norm statistics and fusion weights far from their start."""
    torch.manual_seed(5)
    model = build(name, **{"size": 16, **sizes})
    for key, value in [*model.named_parameters(), *model.named_buffers()]:
        if key.endswith(("running_var", "norm.weight")):
            value.data.uniform_(0.3, 3)
        elif key.endswith(("running_mean", "norm.bias", "logits")):
            value.data.normal_()
    return model.to(dtype)


def images(dtype: torch.dtype, channels: int = 3, size: int = 16) -> Tensor:
    return torch.rand(5, channels, size, size, dtype=dtype, generator=torch.Generator().manual_seed(0))


def gradient(model: nn.Module, x: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    (grad,) = torch.autograd.grad(torch.logsumexp(model(x), 1).sum(), x)
    return grad


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)], ids=["f32", "f64"]
)
@pytest.mark.parametrize(("architecture", "depth"), BUILDS)
def test_logits_and_gradients_are_equal(architecture: str, depth: int, dtype: torch.dtype, tolerance: float):
    model = lived_in(architecture + ("_4" if depth == 4 else ""), dtype)
    deployed, x = deploy(model), images(dtype)
    model.eval()
    wanted, wanted_grad = model(x), gradient(model, x)
    logits, grad = deployed(x), gradient(deployed, x)
    assert (logits - wanted).abs().max() <= tolerance * max(1, wanted.abs().max().item())
    # ten layers round a gradient further than the logits, by how much depends on the machine's kernels: the
    # deployed gradient may be as far from the exact one as the model's own is, twice, and no farther
    exact = gradient(copy.deepcopy(model).double(), x.double())
    own = (wanted_grad - exact).abs().max().item()
    allowed = max(tolerance * max(1, exact.abs().max().item()), 2 * own)
    assert (grad - exact).abs().max() <= allowed
    assert logits.dtype == grad.dtype == dtype
    assert logits.is_contiguous()
    assert grad.is_contiguous()
    grad.view(len(grad), -1)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_grey_images_at_another_size(name: str):
    model = lived_in(f"{name}_4", torch.float64, channels=1, size=24, classes=7)
    x = images(torch.float64, 1, 24)
    torch.testing.assert_close(deploy(model)(x), model.eval()(x), atol=1e-10, rtol=1e-12)
    assert gradient(deploy(model), x).view(-1).shape == x.view(-1).shape


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_original_is_untouched(name: str):
    model = lived_in(f"{name}_4")
    before = copy.deepcopy(model.state_dict())
    deploy(model)(images(torch.float32))
    after = model.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert model.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_nothing_is_left_to_train_or_to_fold(name: str):
    deployed = deploy(lived_in(f"{name}_4"))
    assert isinstance(deployed, Deployed)
    assert not any(part.training for part in deployed.modules())
    assert not any(parameter.requires_grad for parameter in deployed.parameters())
    assert not any(isinstance(part, GroupBatchNorm | GroupConv | LiftingConv) for part in deployed.modules())


def test_images_and_state_stay_as_they_were_and_runs_repeat_bit_for_bit():
    deployed, x = deploy(lived_in("parallel_gcnn_rs_4")), images(torch.float32)
    before, pixels = copy.deepcopy(deployed.state_dict()), x.clone()
    assert torch.equal(gradient(deployed, x), gradient(deployed, x))
    assert torch.equal(x, pixels)
    assert all(torch.equal(before[key], value) for key, value in deployed.state_dict().items())


@pytest.mark.parametrize(
    "layout",
    [lambda x: x.contiguous(memory_format=torch.channels_last), lambda x: x.mT],
    ids=["channels_last", "mT"],
)
def test_images_in_any_memory_layout(layout):
    deployed, x = deploy(lived_in("cascaded_gcnn_4", torch.float64)), layout(images(torch.float64))
    torch.testing.assert_close(deployed(x), deployed(x.contiguous()), atol=1e-12, rtol=0)
    torch.testing.assert_close(gradient(deployed, x), gradient(deployed, x.contiguous()), atol=1e-12, rtol=0)


def test_second_derivatives_pass_through():
    """As penalties on the gradient need them; exact here, where the model is piecewise linear up to the loss."""
    model = lived_in("baseline_cnn_4", torch.float64)

    def penalty_gradient(network: nn.Module) -> Tensor:
        x = images(torch.float64).requires_grad_()
        (grad,) = torch.autograd.grad(torch.logsumexp(network(x), 1).sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(grad.square().sum(), x)
        return second

    expected = penalty_gradient(model.eval())
    torch.testing.assert_close(penalty_gradient(deploy(model)), expected, atol=1e-9, rtol=1e-9)


def test_the_invariance_survives():
    deployed, x = deploy(lived_in("equivariant_gcnn_4", torch.float64)), images(torch.float64)
    torch.testing.assert_close(deployed(x.rot90(1, (2, 3))), deployed(x), atol=1e-10, rtol=0)


def test_deploying_twice_changes_nothing():
    once, x = deploy(lived_in("parallel_gcnn_4")), images(torch.float32)
    assert torch.equal(deploy(once)(x), once(x))


def test_a_foreign_module_is_only_frozen():
    foreign = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten(), nn.LazyLinear(2)
    )
    x = images(torch.float32)
    foreign(x)
    deployed = deploy(foreign)
    assert type(deployed) is nn.Sequential
    assert list(deployed.state_dict()) == list(foreign.state_dict())
    assert foreign.training
    assert all(parameter.requires_grad for parameter in foreign.parameters())
    assert not any(parameter.requires_grad for parameter in deployed.parameters())
    assert torch.equal(deployed(x), foreign.eval()(x))


def test_what_cannot_be_copied_is_refused():
    foreign = nn.Linear(2, 2)
    foreign.lock = threading.Lock()
    with pytest.raises(DeployError, match="cannot copy Linear to deploy it"):
        deploy(foreign)


def test_deploying_leaves_the_random_state_alone() -> None:
    model = build("equivariant_gcnn_4", channels=1, size=16)
    before = torch.get_rng_state()
    deploy(model)
    assert torch.equal(torch.get_rng_state(), before)
