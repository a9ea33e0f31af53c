"""The transform that trains and tests: exact where it can be, and PIL's and SciPy's elsewhere."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage
from torch import Tensor

from zoo.spatial import FILLS, INTERPOLATIONS, drawn, moved

ANGLES = (-170.0, -77.7, -30.0, -1.0, 0.3, 12.0, 45.0, 60.0, 89.999, 133.0, 179.0, 300.0)
WAYS = [(interpolation, fill) for interpolation in INTERPOLATIONS for fill in FILLS]


def pictures(n: int, channels: int = 1, height: int = 16, width: int = 16) -> Tensor:
    return torch.rand(n, channels, height, width, generator=torch.Generator().manual_seed(n))


def at(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@settings(deadline=None, max_examples=60)
@given(
    turns=st.lists(st.integers(-40_000, 40_000), min_size=1, max_size=4),
    side=st.integers(1, 17),
    way=st.sampled_from(WAYS),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.float16]),
)
def test_quarter_turns_only_move_pixels(
    turns: list[int], side: int, way: tuple[str, str], dtype: torch.dtype
) -> None:
    x = pictures(len(turns), 2, side, side).to(dtype)
    interpolation, fill = way
    found = moved(x, at(*[90.0 * turn for turn in turns]), interpolation=interpolation, fill=fill)
    expected = torch.stack([torch.rot90(each, turn, (1, 2)) for each, turn in zip(x, turns, strict=True)])
    assert found.dtype == dtype
    assert torch.equal(found, expected)


@settings(deadline=None, max_examples=60)
@given(
    data=st.data(),
    height=st.integers(1, 61),
    width=st.integers(1, 61),
    turn=st.sampled_from([0, 180]),
    way=st.sampled_from(WAYS),
)
def test_shifts_by_whole_pixels_only_move_pixels(
    data: st.DataObject, height: int, width: int, turn: int, way: tuple[str, str]
) -> None:
    """After the turn, to the right and down, also where k / side · side is not k."""
    right, down = (data.draw(st.integers(-side - 1, side + 1)) for side in (width, height))
    x = pictures(1, 1, height, width)
    shifts = torch.tensor([[right / width, down / height]], dtype=torch.float64)
    found = moved(x, at(turn), shifts, interpolation=way[0], fill=way[1])
    rows, columns = np.arange(height) - down, np.arange(width) - right
    first = torch.rot90(x, turn // 90, (2, 3))[0, 0].numpy()
    expected = first[np.ix_(rows.clip(0, height - 1), columns.clip(0, width - 1))].copy()
    if way[1] == "black":
        expected[(rows < 0) | (rows >= height)] = 0
        expected[:, (columns < 0) | (columns >= width)] = 0
    assert np.array_equal(found[0, 0].numpy(), expected)


def test_each_image_has_its_own_turn_and_shift() -> None:
    x = pictures(5, 3)
    degrees, shifts = at(0, 30, -90, 200, 7), torch.rand(5, 2, dtype=torch.float64) - 0.5
    alone = [moved(x[i : i + 1], degrees[i : i + 1], shifts[i : i + 1]) for i in range(5)]
    assert torch.equal(moved(x, degrees, shifts), torch.cat(alone))


def _sources(degrees: float, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns each pixel is read at, from the matrix of a turn."""
    radians = math.radians(degrees)
    matrix = np.array([[math.cos(radians), math.sin(radians)], [-math.sin(radians), math.cos(radians)]])
    middle = np.array([(height - 1) / 2, (width - 1) / 2])
    grid = np.stack(np.mgrid[:height, :width].astype(float), -1) - middle
    rows, columns = np.moveaxis(grid @ matrix.T, -1, 0)
    return rows + middle[0], columns + middle[1]


@pytest.mark.parametrize("degrees", ANGLES)
@pytest.mark.parametrize(("height", "width"), [(16, 16), (32, 32), (15, 15), (12, 20)])
def test_nearest_and_black_is_pils_rotation(degrees: float, height: int, width: int) -> None:
    """PIL adds up coordinates in steps of 2⁻¹⁶ pixel; pixels whose source lies so near to the line between
    two pixels that this may decide are left out, and no others."""
    picture = pictures(1, 1, height, width)
    theirs = np.asarray(Image.fromarray(picture[0, 0].numpy(), mode="F").rotate(degrees))
    ours = moved(picture, at(degrees), interpolation="nearest")[0, 0].numpy()
    doubt = (height + width + 1) * 2.0**-17
    lines = [np.abs((each + 0.5) - np.round(each + 0.5)) for each in _sources(degrees, height, width)]
    sure = (lines[0] > doubt) & (lines[1] > doubt)
    assert sure.mean() > 0.85  # at 45° every source on the two diagonals lies on such a line
    assert np.array_equal(ours[sure], theirs[sure])


@pytest.mark.parametrize("degrees", [0.0, 90.0, 180.0, 270.0, -90.0, 360.0])
def test_quarter_turns_are_pils_too(degrees: float) -> None:
    picture = pictures(1)
    theirs = np.asarray(Image.fromarray(picture[0, 0].numpy(), mode="F").rotate(degrees))
    for interpolation in INTERPOLATIONS:
        assert np.array_equal(moved(picture, at(degrees), interpolation=interpolation)[0, 0].numpy(), theirs)


@pytest.mark.parametrize("degrees", ANGLES)
@pytest.mark.parametrize(("fill", "mode"), [("black", "grid-constant"), ("edge", "nearest")])
@pytest.mark.parametrize(("height", "width"), [(16, 16), (9, 14)])
def test_bilinear_is_scipys(degrees: float, fill: str, mode: str, height: int, width: int) -> None:
    picture = pictures(1, 1, height, width).double()
    ours = moved(picture, at(degrees), fill=fill)[0, 0].numpy()
    theirs = ndimage.rotate(picture[0, 0].numpy(), degrees, reshape=False, order=1, mode=mode)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-8)


@pytest.mark.parametrize(("right", "down"), [(0.1, 0.0), (0.0, -0.23), (0.31, 0.07)])
@pytest.mark.parametrize("degrees", [-170.0, 12.0, 90.0])
def test_the_shift_comes_after_the_turn(degrees: float, right: float, down: float) -> None:
    height, width = 20, 15
    picture = pictures(1, 1, height, width).double()
    ours = moved(picture, at(degrees), at(right, down)[None])[0, 0].numpy()
    angle = math.radians(degrees)
    matrix = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    middle, shift = np.array([(height - 1) / 2, (width - 1) / 2]), np.array([down * height, right * width])
    offset = middle - matrix @ (middle + shift)
    theirs = ndimage.affine_transform(
        picture[0, 0].numpy(), matrix, offset, order=1, mode="grid-constant", prefilter=False
    )
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-8)


@settings(deadline=None, max_examples=60)
@given(
    degrees=st.floats(-1e6, 1e6),
    right=st.floats(-2, 2),
    down=st.floats(-2, 2),
    way=st.sampled_from(WAYS),
    dtype=st.sampled_from([torch.float16, torch.bfloat16, torch.float32]),
    seed=st.integers(0, 99),
)
def test_values_in_0_to_1_stay_there(
    degrees: float, right: float, down: float, way: tuple[str, str], dtype: torch.dtype, seed: int
) -> None:
    x = torch.rand(1, 1, 7, 7, generator=torch.Generator().manual_seed(seed))
    x = torch.where(x < 0.3, 0.0, torch.where(x > 0.6, 1.0, x)).to(dtype)
    found = moved(x, at(degrees), at(right, down)[None], interpolation=way[0], fill=way[1])
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1


def test_the_edge_has_no_black_and_a_constant_image_stays() -> None:
    x = torch.full((1, 3, 9, 9), 0.7)
    for interpolation in INTERPOLATIONS:
        assert torch.equal(
            moved(x, at(33.0), at(0.3, -0.9)[None], interpolation=interpolation, fill="edge"), x
        )
        assert float(moved(x, at(33.0), interpolation=interpolation).min()) == 0


def test_gradients_reach_the_image() -> None:
    """The transform is linear in the image, so its gradient is its own transpose."""
    x, other = pictures(1).double().requires_grad_(), torch.rand(1, 1, 16, 16, dtype=torch.float64)
    turned = moved(x, at(33.0), at(0.1, 0.05)[None])
    (gradient,) = torch.autograd.grad((turned * other).sum(), x)
    assert torch.allclose((gradient * x).sum(), (turned * other).sum(), rtol=1e-12)


def test_draws_fill_the_range_evenly_and_come_from_the_generator() -> None:
    draws = drawn(torch.Generator().manual_seed(3), 4000, 120.0)
    assert torch.equal(draws, drawn(torch.Generator().manual_seed(3), 4000, 120.0))
    assert float(draws.abs().max()) <= 120
    expected = torch.linspace(-120, 120, 4000, dtype=torch.float64)
    # Kolmogorov and Smirnov's distance is below 1.95 / √n in all but one of a thousand cases
    assert float((draws.sort().values - expected).abs().max()) / 240 < 1.95 / math.sqrt(4000)
    torch.manual_seed(5)
    first = drawn(None, 3, 30.0)
    torch.manual_seed(5)
    assert torch.equal(drawn(None, 3, 30.0), first)


def test_unknown_ways_are_refused() -> None:
    with pytest.raises(ValueError, match="'cubic'"):
        moved(pictures(1), at(1.0), interpolation="cubic")
    with pytest.raises(ValueError, match="'wrap'"):
        moved(pictures(1), at(1.0), fill="wrap")
