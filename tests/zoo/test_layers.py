"""Layers against closed forms, torch's own operators, and the symmetry they promise."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from beartype import beartype
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Float, jaxtyped
from torch import Tensor, nn

from zoo.layers import (
    C1,
    P4,
    P4M,
    Block,
    Concatenate,
    Group,
    GroupBatchNorm,
    GroupConv,
    GroupPool,
    LiftingConv,
    Normalize,
    Resize,
    ScaleConv,
    WeightedSum,
    bicubic_matrix,
    conv_block,
    group_block,
    lifting_block,
    scale_block,
)

GROUPS = [C1, P4, P4M]
groups = st.sampled_from(GROUPS)
quick = settings(max_examples=25, deadline=None, derandomize=True)


def tensor(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def doubled(layer):
    """In float64, with parameters and buffers that no symmetry could hide behind."""
    layer.double()
    for seed, (name, value) in enumerate(itertools.chain(layer.named_parameters(), layer.named_buffers())):
        if name.endswith("running_var"):
            value.data.copy_(tensor(*value.shape, seed=seed).abs() + 0.5)
        elif value.is_floating_point() and not name.endswith("matrix"):
            value.data.copy_(tensor(*value.shape, seed=seed))
    return layer.eval()


# groups


@pytest.mark.parametrize("group", GROUPS, ids=lambda g: g.name)
def test_composition_is_that_of_the_transforms(group: Group):
    x = tensor(2, 3, 3)
    for g, h in itertools.product(range(group.order), repeat=2):
        both = group.transform(group.transform(x, h), g)
        assert torch.equal(both, group.transform(x, group.compose(g, h)))


@pytest.mark.parametrize("group", GROUPS, ids=lambda g: g.name)
def test_left_translations_are_permutations_that_undo(group: Group):
    for g, h in itertools.product(range(group.order), repeat=2):
        assert sorted(group.left[g]) == list(range(group.order))
        assert group.compose(g, group.left[g][h]) == h


def test_element_one_of_p4_turns_counter_clockwise():
    x = torch.tensor([[1, 2], [3, 4]])
    assert P4.transform(x, 1).tolist() == [[2, 4], [1, 3]]
    assert P4M.transform(x, 4).tolist() == [[2, 1], [4, 3]]


@quick
@given(group=groups, n=st.integers(1, 2), fields=st.integers(1, 3), size=st.integers(1, 5))
def test_acting_on_maps_is_a_group_action(group: Group, n: int, fields: int, size: int):
    maps = tensor(n, fields * group.order, size, size)
    assert torch.equal(group.act(maps, 0), maps)
    for g, h in itertools.product(range(group.order), repeat=2):
        assert torch.equal(group.act(group.act(maps, h), g), group.act(maps, group.compose(g, h)))


def test_rotations_off_the_grid_are_refused():
    with pytest.raises(ValueError, match="rotations=8"):
        Group("p8", 8)


# group convolutions


def test_lifting_the_identity_filter_copies_the_image():
    conv = LiftingConv(1, 1, 3, P4)
    conv.weight.data = torch.zeros(1, 1, 3, 3)
    conv.weight.data[..., 1, 1] = 1
    x = torch.rand(2, 1, 5, 5)
    assert torch.equal(conv(x), x.expand(-1, 4, -1, -1))


def test_lifting_an_off_centre_filter_shifts_in_the_four_directions():
    conv = LiftingConv(1, 1, 3, P4)
    conv.weight.data = torch.zeros(1, 1, 3, 3)
    conv.weight.data[..., 1, 2] = 1  # reads the right neighbour; turned: above, left, below
    x = torch.arange(9.0).view(1, 1, 3, 3)
    assert conv(x)[0, :, 1, 1].tolist() == [5, 1, 3, 7]


def test_over_the_trivial_group_both_are_plain_convolutions():
    x = torch.rand(2, 3, 6, 5)
    lift, group = LiftingConv(3, 4, 3, C1), GroupConv(3, 4, 5, C1, bias=True)
    assert torch.equal(lift(x), F.conv2d(x, lift.weight, padding=1))
    assert torch.equal(group(x), F.conv2d(x, group.weight[:, :, 0], group.bias, padding=2))


@quick
@given(
    group=groups,
    channels=st.integers(1, 3),
    fields=st.integers(1, 3),
    kernel=st.sampled_from([1, 3, 5]),
    size=st.integers(1, 8),
    bias=st.booleans(),
)
def test_convolutions_are_equivariant(group, channels, fields, kernel, size, bias):
    lift = doubled(LiftingConv(channels, fields, kernel, group, bias))
    conv = doubled(GroupConv(fields, channels, kernel, group, bias))
    x, maps = tensor(2, channels, size, size), tensor(2, fields * group.order, size, size)
    for g in range(group.order):
        torch.testing.assert_close(lift(group.transform(x, g)), group.act(lift(x), g), atol=1e-11, rtol=0)
        torch.testing.assert_close(conv(group.act(maps, g)), group.act(conv(maps), g), atol=1e-11, rtol=0)


def test_a_stride_of_two_on_an_even_size_breaks_the_symmetry():
    """Why the models halve by 2×2 pooling and take even sizes only: the test above can fail."""
    conv = doubled(LiftingConv(1, 1, 3, P4))
    x = tensor(1, 1, 8, 8)

    def strided(image: Tensor) -> Tensor:
        return F.conv2d(image, conv.expanded()[0], padding=1, stride=2)

    assert (strided(P4.transform(x, 1)) - P4.act(strided(x), 1)).abs().max() > 0.1


def test_pooling_an_odd_size_breaks_the_symmetry_and_an_even_one_does_not():
    for size, broken in ((7, True), (8, False)):
        maps = tensor(1, 4, size, size)
        moved = F.max_pool2d(P4.act(maps, 1), 2)
        assert torch.equal(moved, P4.act(F.max_pool2d(maps, 2), 1)) is not broken


def test_weights_start_with_the_variance_of_he():
    torch.manual_seed(0)
    conv = GroupConv(32, 64, 3, P4)
    assert conv.weight.std().item() == pytest.approx((2 / (32 * 4 * 9)) ** 0.5, rel=0.02)


@pytest.mark.parametrize("conv", [LiftingConv, GroupConv])
def test_an_even_kernel_is_refused(conv):
    with pytest.raises(ValueError, match="kernel=4"):
        conv(1, 1, 4, P4)


# norm and pooling


@quick
@given(group=groups, fields=st.integers(1, 3), size=st.integers(2, 5), training=st.booleans())
def test_batch_norm_is_equivariant(group: Group, fields: int, size: int, training: bool):
    norm = doubled(GroupBatchNorm(fields, group)).train(training)
    norm.momentum = 0.0
    maps = tensor(2, fields * group.order, size, size)
    for g in range(group.order):
        torch.testing.assert_close(norm(group.act(maps, g)), group.act(norm(maps), g), atol=1e-11, rtol=0)


def test_batch_norm_gives_each_field_mean_zero_and_variance_one():
    y = GroupBatchNorm(2, P4)(3 * torch.randn(8, 8, 6, 6) + 1).unflatten(1, (2, 4)).transpose(0, 1).flatten(1)
    torch.testing.assert_close(y.mean(1), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var(1, correction=0), torch.ones(2), atol=1e-4, rtol=0)


def test_batch_norm_over_the_trivial_group_is_torchs():
    ours, theirs, x = GroupBatchNorm(3, C1), nn.BatchNorm2d(3), torch.rand(4, 3, 5, 5)
    torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(ours.running_var, theirs.running_var)


@pytest.mark.parametrize("group", GROUPS, ids=lambda g: g.name)
def test_affine_map_is_batch_norm_in_eval_mode(group: Group):
    norm, maps = doubled(GroupBatchNorm(2, group)), tensor(2, 2 * group.order, 3, 3)
    scale, shift = (value[:, None, None] for value in norm.affine_map())
    torch.testing.assert_close(scale * maps + shift, norm(maps), atol=1e-12, rtol=0)


def test_group_pool_takes_the_largest_of_each_field():
    x = torch.tensor([[1.0, 5, 2, 3, -1, -4, -2, -3]])
    assert GroupPool(P4)(x).tolist() == [[5, -1]]
    assert GroupPool(C1)(x).tolist() == x.tolist()


# resizing and the scale branch


@quick
@given(size=st.integers(2, 40), new=st.integers(2, 80))
def test_resize_is_torchs_bicubic(size: int, new: int):
    """In float64: in float32 torch rounds the source coordinate, which at odd ratios costs it 3e-6."""
    x = tensor(2, 2, size, size)
    wanted = F.interpolate(x, size=(new, new), mode="bicubic", align_corners=False)
    torch.testing.assert_close(Resize(size, new).double()(x), wanted, atol=1e-12, rtol=0)


@pytest.mark.parametrize(("size", "new"), [(32, 16), (32, 64), (16, 32), (64, 32), (24, 12)])
def test_resize_at_the_models_sizes_to_1e_6(size: int, new: int):
    x = torch.rand(4, 3, size, size, generator=torch.Generator().manual_seed(0))
    wanted = F.interpolate(x, size=(new, new), mode="bicubic", align_corners=False)
    torch.testing.assert_close(Resize(size, new)(x), wanted, atol=1e-6, rtol=0)


def test_resize_keeps_constants_and_its_own_size():
    torch.testing.assert_close(bicubic_matrix(12, 7).sum(1), torch.ones(7, dtype=torch.float64))
    assert torch.equal(bicubic_matrix(9, 9), torch.eye(9, dtype=torch.float64))


def test_resize_in_float64_is_exact_whatever_the_way_there():
    assert torch.equal(Resize(32, 64).half().float().double().matrix, bicubic_matrix(32, 64))
    assert not Resize(32, 64).state_dict()


def test_scale_convolution_is_the_papers_formula():
    conv = doubled(ScaleConv(2, 3, 16))
    x = tensor(2, 2, 16, 16)

    def response(scale: float) -> Tensor:
        small = F.interpolate(x, size=int(16 * scale), mode="bicubic")
        return F.interpolate(F.conv2d(small, conv.conv.weight, padding=1), size=16, mode="bicubic")

    wanted = (response(0.5) + response(1) + response(2)) / 3
    torch.testing.assert_close(conv(x), wanted, atol=1e-12, rtol=0)


def test_scale_convolution_has_one_shared_filter_bank():
    assert [tuple(p.shape) for p in ScaleConv(3, 8, 32).parameters()] == [(8, 3, 3, 3)]


def test_scale_convolution_refuses_sizes_it_cannot_halve():
    with pytest.raises(ValueError, match=r"scale 0\.5 of size 15"):
        ScaleConv(1, 1, 15)


# fusion, normalisation, blocks


def test_normalize_takes_pixels_to_minus_one_to_one():
    assert Normalize()(torch.tensor([0, 0.25, 0.5, 1])).tolist() == [-1, -0.5, 0, 1]


def test_weighted_sum_starts_as_the_mean_and_follows_the_softmax():
    class Times(nn.Module):
        def __init__(self, factor: float):
            super().__init__()
            self.factor = factor

        def forward(self, x: Tensor) -> Tensor:
            return x * self.factor

    fused, x = WeightedSum(Times(1), Times(4)), torch.rand(2, 3)
    torch.testing.assert_close(fused(x), 2.5 * x)
    fused.logits.data = torch.tensor([0.0, torch.log(torch.tensor(3.0))])
    torch.testing.assert_close(fused(x), x * (1 + 3 * 4) / 4)
    torch.testing.assert_close(Concatenate(Times(1), Times(4))(x), torch.cat([x, 4 * x], 1))


@pytest.mark.parametrize("group", GROUPS, ids=lambda g: g.name)
def test_blocks_are_equivariant(group: Group):
    lift, block = doubled(lifting_block(2, 3, group)), doubled(group_block(3, 2, group))
    x = tensor(2, 2, 6, 6)
    for g in range(group.order):
        moved = block(lift(group.transform(x, g)))
        torch.testing.assert_close(moved, group.act(block(lift(x)), g), atol=1e-10, rtol=1e-12)


BLOCKS = {
    "plain": lambda: conv_block(4, 8),
    "lifting": lambda: lifting_block(4, 2, P4),
    "mirrored": lambda: group_block(4, 1, Group("mirror", 1, mirrored=True)),
    "group": lambda: group_block(1, 2, P4),
    "scale": lambda: scale_block(4, 8, 16),
    "biased": lambda: Block(LiftingConv(4, 2, 3, P4, bias=True), GroupBatchNorm(2, P4)),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_a_deployed_block_is_its_equal(name: str):
    channels = 8 if name == "mirrored" else 4
    block, x = doubled(BLOCKS[name]()), tensor(2, channels, 16, 16)
    deployed = block.deployed()
    torch.testing.assert_close(deployed(x), block(x), atol=1e-11, rtol=1e-12)
    assert not any(isinstance(part, GroupBatchNorm | LiftingConv | GroupConv) for part in deployed.modules())


@pytest.mark.parametrize("name", BLOCKS)
def test_every_block_has_the_shapes_it_states(name: str):
    block = BLOCKS[name]()

    @jaxtyped(typechecker=beartype)
    def forward(x: Float[Tensor, "n in s s"], outputs: int) -> Float[Tensor, "n {outputs} s s"]:
        return block(x)

    forward(torch.rand(2, 8 if name == "mirrored" else 4, 16, 16), 2 if name == "mirrored" else 8)


def test_a_backward_pass_repeats_bit_for_bit():
    block = scale_block(3, 8, 16)

    def gradient() -> Tensor:
        x = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(1)).requires_grad_()
        (grad,) = torch.autograd.grad(block(x).square().sum(), x)
        return grad

    assert torch.equal(gradient(), gradient())
