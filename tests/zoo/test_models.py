"""The zoo's names and architectures: fair comparison, exact invariance, clear refusals."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from zoo.entries import ARCHITECTURES as NAMED
from zoo.entries import ENTRIES, PAPER_NAMES, Entry, UnknownModel, entry, parsed
from zoo.layers import P4, P4M, Group
from zoo.models import ARCHITECTURES, Classifier, build
from zoo.models.equivariant_gcnn import equivariant_gcnn
from zoo.models.layout import layout

DEPTHS = {10: "", 4: "_4"}


def images(n: int, channels: int, size: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(n, channels, size, size, dtype=dtype, generator=torch.Generator().manual_seed(size))


def lived_in(model: nn.Module) -> nn.Module:
    """In float64 and eval mode, with batch-norm statistics of its own."""
    generator = torch.Generator().manual_seed(7)
    model.double().eval()
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(generator=generator).mul_(0.2)
            part.running_var.uniform_(0.5, 2, generator=generator)
            part.weight.data.uniform_(0.5, 2, generator=generator)
            part.bias.data.normal_(generator=generator).mul_(0.2)
    return model


def size_of(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


# names


def test_the_table_holds_the_eighteen_models():
    assert len(ENTRIES) == 18
    assert {f"{a}{suffix}" for a in NAMED for suffix in DEPTHS.values()} < set(ENTRIES)
    assert set(NAMED) == set(ARCHITECTURES)


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_is_what_its_name_says(name: str):
    assert entry(name) == ENTRIES[name]


def test_names_beyond_the_table():
    wanted = Entry("parallel_gcnn_rs_4.pgd_at@7", "parallel_gcnn_rs", 4, "pgd_at", 7)
    assert entry("parallel_gcnn_rs_4.pgd_at@7") == wanted
    assert entry("parallel_gcnn_rs_4.pgd_at@07") == wanted
    assert entry("baseline_cnn.standard@0") == ENTRIES["baseline_cnn"]
    assert entry("baseline_cnn.rotate120+pgd_at_quarter").recipe == "rotate120+pgd_at_quarter"
    best = Entry("baseline_cnn_4.cusp-best@1", "baseline_cnn", 4, "cusp", 1, best=True)
    assert entry("baseline_cnn_4.cusp-best@1") == best
    assert entry("baseline_cnn.standard-best@0").name == "baseline_cnn.standard-best"


def test_a_recipe_of_ones_own_is_told_apart_from_those_there_are():
    assert parsed("baseline_cnn.mine-best@2") == Entry(
        "baseline_cnn.mine-best@2", "baseline_cnn", 10, "mine", 2, best=True
    )
    assert parsed("baseline_cnn.pgd_at") == entry("baseline_cnn.pgd_at")
    with pytest.raises(UnknownModel, match=r"unknown model 'baseline_cnn.mine'"):
        entry("baseline_cnn.mine")
    with pytest.raises(UnknownModel, match=r"unknown model 'baselin_cnn.mine'"):
        parsed("baselin_cnn.mine")


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "baseline",
            "baseline_cnn_10",
            "baseline_cnn.free_at",
            "baseline_cnn@-1",
            "baseline_cnn@",
            "x\n",
        ),
        *(
            "baseline_cnn.rotate0",
            "baseline_cnn.rotate181",
            "baseline_cnn.rotate90+cusp",
            "baseline_cnn-best",
        ),
        *("baseline_cnn.cusp-last", "baseline_cnn.cusp@1-best"),
    ],
)
def test_unknown_names_are_refused(name: str):
    with pytest.raises(UnknownModel, match=r"unknown model .*; nearest: "):
        entry(name)


def test_a_misspelt_name_is_told_the_nearest():
    with pytest.raises(UnknownModel, match=r"unknown model 'baselin_cnn'; nearest: baseline_cnn, "):
        entry("baselin_cnn")
    with pytest.raises(UnknownModel, match=r"nearest: baseline_cnn\.cusp, "):
        entry("baseline_cnn.cups")


def test_the_papers_names_lead_to_entries():
    assert set(PAPER_NAMES.values()) <= set(ENTRIES)
    for (_, layers), name in PAPER_NAMES.items():
        assert layers in (None, ENTRIES[name].depth)


def test_entries_load_without_torch():
    code = "import zoo.entries, sys; assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# architectures


@pytest.mark.parametrize("name", [name for name in ENTRIES if "." not in name])
@pytest.mark.parametrize(("channels", "classes", "size"), [(3, 10, 32), (1, 2, 16), (3, 100, 24)])
def test_images_in_logits_out(name: str, channels: int, classes: int, size: int):
    model = build(name, channels=channels, classes=classes, size=size)
    assert model(images(2, channels, size, torch.float32)).shape == (2, classes)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("classes", [10, 100])
def test_designs_of_one_depth_have_as_many_parameters_to_ten_percent(depth: int, classes: int):
    sizes = {name: size_of(build(name + DEPTHS[depth], classes=classes)) for name in ARCHITECTURES}
    mean = sum(sizes.values()) / len(sizes)
    for name, size in sizes.items():
        assert abs(size / sizes["baseline_cnn"] - 1) < 0.1, name
        assert abs(size / mean - 1) < 0.1, name


@pytest.mark.parametrize("depth", DEPTHS)
def test_designs_of_one_depth_share_their_trunk(depth: int):
    """Same output shape after every layer; over p4, channels/2 fields of 4."""
    front_pooled = int(depth == 4)  # its trunk starts by pooling what the front, which may differ, puts out

    def shapes(name: str) -> list[tuple[int, ...]]:
        model, seen = build(name + DEPTHS[depth]), []
        for layer in model.trunk:
            layer.register_forward_hook(lambda _module, _input, output: seen.append(tuple(output.shape[1:])))
        model(images(1, 3, 32, torch.float32))
        return seen[front_pooled:]

    wanted = shapes("baseline_cnn")
    assert wanted[-1] == (128, 4, 4)
    for name in ARCHITECTURES:
        twice = 2 if name == "equivariant_gcnn" else 1
        assert shapes(name) == [(twice * c, h, w) for c, h, w in wanted], name


def test_released_channels_are_those_of_the_papers_scripts():
    wide = build("baseline_cnn", width="released")
    assert [p.shape[0] for p in wide.parameters() if p.ndim >= 4] == [
        16,
        32,
        32,
        64,
        64,
        128,
        128,
        256,
        256,
        256,
    ]


@pytest.mark.parametrize("width", [0.25, 0.5, 1.7, 2])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_width_builds(name: str, width: float):
    model = build(f"{name}_4", width=width, size=16)
    assert model(images(2, 3, 16, torch.float32)).shape == (2, 10)


def test_a_build_is_determined_by_the_seed():
    def state(seed: int) -> list[Tensor]:
        torch.manual_seed(seed)
        return list(build("weighted_gcnn_rs_4").state_dict().values())

    assert all(torch.equal(a, b) for a, b in zip(state(3), state(3), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(state(3), state(4), strict=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 28}, "size=28.*divisible by 8"),
        ({"size": 8}, "size=8.*16 or more"),
        ({"channels": 4}, "channels=4.*1 or 3"),
        ({"classes": 1}, "classes=1.*2 or more"),
        ({"width": 0}, "width=0.*above 0"),
        ({"width": "wide"}, "width='wide'.*'released'"),
    ],
)
def test_sizes_no_model_has_are_refused(change: dict, message: str):
    with pytest.raises(ValueError, match=message):
        build("baseline_cnn", **change)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 1, 32, 32), (1, 3, 24, 24), (1, 3, 32, 24)])
def test_images_of_another_shape_are_refused(shape: tuple[int, ...]):
    with pytest.raises(ValueError, match=r"takes \(n, 3, 32, 32\)"):
        build("baseline_cnn_4")(torch.zeros(shape))


# symmetry


def largest_change(model: nn.Module, x: Tensor, group: Group) -> float:
    with torch.no_grad():
        logits = model(x)
        return max((model(group.transform(x, g)) - logits).abs().max().item() for g in range(1, group.order))


@pytest.mark.parametrize("name", ["equivariant_gcnn", "equivariant_gcnn_4"])
@pytest.mark.parametrize(("channels", "size"), [(3, 32), (1, 16), (3, 24)])
def test_equivariant_logits_do_not_change_when_the_image_turns(name: str, channels: int, size: int):
    model = lived_in(build(name, channels=channels, size=size))
    x = images(2, channels, size)
    assert largest_change(model, x, P4) <= 1e-10
    assert (model(x) - model(1 - x)).abs().max() > 1e-3


@pytest.mark.parametrize("depth", DEPTHS)
def test_over_p4m_mirror_images_do_not_change_them_either(depth: int):
    sizes = layout(depth, 1.0, channels=3, size=16, classes=10)
    x = images(2, 3, 16)
    assert largest_change(lived_in(equivariant_gcnn(sizes, P4M)), x, P4M) <= 1e-10
    assert largest_change(lived_in(equivariant_gcnn(sizes, P4)), x, P4M) > 1e-4
    ratio = size_of(equivariant_gcnn(sizes, P4M)) / size_of(equivariant_gcnn(sizes, P4))
    assert ratio == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("name", sorted(set(ARCHITECTURES) - {"equivariant_gcnn"}))
def test_logits_of_the_other_designs_do_change(name: str):
    assert largest_change(lived_in(build(f"{name}_4", size=16)), images(2, 3, 16), P4) > 1e-4


def test_invariance_holds_for_the_gradient_and_in_training_mode():
    model = lived_in(build("equivariant_gcnn_4", size=16)).train()
    x = images(3, 3, 16).requires_grad_()
    turned = P4.transform(x.detach(), 1).requires_grad_()
    (grad,) = torch.autograd.grad(model(x).square().sum(), x)
    (grad_of_turned,) = torch.autograd.grad(model(turned).square().sum(), turned)
    torch.testing.assert_close(grad_of_turned, P4.transform(grad, 1), atol=1e-10, rtol=0)


def test_every_parameter_gets_a_gradient():
    for name in ARCHITECTURES:
        model = build(f"{name}_4", size=16)
        model(images(4, 3, 16, torch.float32)).logsumexp(1).sum().backward()
        for key, parameter in model.named_parameters():
            assert parameter.grad is not None, (name, key)
            assert parameter.grad.abs().max() > 0, (name, key)


def test_models_are_classifiers():
    assert all(isinstance(build(f"{name}_4"), Classifier) for name in ARCHITECTURES)
