"""Rotations and translations, on models that classify only a few known images as class 1."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.transforms.functional import InterpolationMode, rotate

from bench.attacks.with_foolbox import spatial_grid, spatial_random
from bench.errors import CellError


class Knows(nn.Module):
    """Class 1 for images that look like one of the known ones, to a hundredth; else class 0."""

    def __init__(self, *known: Tensor) -> None:
        super().__init__()
        self.eval()
        self.known = torch.stack(known)
        self.queries = 0

    def forward(self, x: Tensor) -> Tensor:
        self.queries += len(x)
        near = (x[:, None] - self.known).abs().flatten(2).amax(2).amin(1)
        return torch.stack([torch.zeros_like(near), 0.01 - near], dim=1)


SIZES = [(1, 16), (3, 32)]
RIGHT = torch.zeros(1, dtype=torch.int64)


def picture(channels: int, side: int) -> Tensor:
    return torch.rand(1, channels, side, side, generator=torch.Generator().manual_seed(0))


def turned(model: nn.Module, x: Tensor, rotation: float, rotations: int = 3) -> Tensor:
    return spatial_grid(
        model, x, RIGHT, rotation=rotation, translation=0.0, rotations=rotations, translations=1
    )


@pytest.mark.parametrize(("channels", "side"), SIZES)
@pytest.mark.parametrize(("rotation", "quarters"), [(90.0, 1), (90.0, -1), (180.0, 2)])
def test_quarter_turns_are_exact(channels: int, side: int, rotation: float, quarters: int) -> None:
    x = picture(channels, side)
    target = torch.rot90(x, quarters, (2, 3))
    torch.testing.assert_close(turned(Knows(target[0]), x, rotation), target, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("channels", "side"), SIZES)
@pytest.mark.parametrize("angle", [30.0, -30.0, 11.0])
def test_angles_are_torchvisions(channels: int, side: int, angle: float) -> None:
    """Positive ones turn counter-clockwise; bilinear, black beyond the border, about the middle."""
    x = picture(channels, side)
    target = rotate(x, angle, InterpolationMode.BILINEAR)
    model = Knows(target[0])
    torch.testing.assert_close(turned(model, x, abs(angle)), target, rtol=0, atol=1e-4)
    assert torch.equal(turned(model, x, abs(angle) - 2), x)


@pytest.mark.parametrize(("channels", "side"), SIZES)
@pytest.mark.parametrize(("down", "right"), [(0, 1), (0, -1), (1, 0), (-1, 0), (1, -1)])
def test_whole_pixels_are_exact(channels: int, side: int, down: int, right: int) -> None:
    pixels = side // 4
    x, target = picture(channels, side), torch.zeros(1, channels, side, side)
    moved = torch.roll(x, (down * pixels, right * pixels), (2, 3))
    rows, columns = (
        slice(pixels, None) if way > 0 else slice(None, -pixels) if way < 0 else slice(None)
        for way in (down, right)
    )
    target[..., rows, columns] = moved[..., rows, columns]
    model, params = Knows(target[0]), {"rotation": 45.0, "rotations": 1, "translations": 3}
    found = spatial_grid(model, x, RIGHT, translation=0.25, **params)
    torch.testing.assert_close(found, target, rtol=0, atol=1e-5)
    assert torch.equal(spatial_grid(model, x, RIGHT, translation=0.22, **params), x)


def test_the_whole_grid_is_tried_and_the_image_itself_first() -> None:
    x = torch.cat([picture(1, 16), picture(1, 16).flip(3)])
    model = Knows(torch.full((1, 16, 16), 2.0))
    grid = {"rotation": 20.0, "translation": 0.1, "rotations": 4, "translations": 2}
    assert torch.equal(spatial_grid(model, x, RIGHT.repeat(2), **grid), x)
    assert model.queries == 2 * (4 * 2 * 2 + 2)  # the image before, and foolbox's own check after
    broken = spatial_grid(Knows(x[0], x[1]), x, RIGHT.repeat(2), **grid)
    assert torch.equal(broken, x)


def test_each_image_keeps_the_transformation_that_breaks_it() -> None:
    x = torch.cat([picture(1, 16), picture(1, 16).flip(3)])
    targets = [torch.rot90(x[0], 1, (1, 2)), torch.rot90(x[1], -1, (1, 2))]
    found = spatial_grid(
        Knows(*targets), x, RIGHT.repeat(2), rotation=90.0, translation=0.0, rotations=3, translations=1
    )
    torch.testing.assert_close(found, torch.stack(targets), rtol=0, atol=1e-5)


def test_random_draws_come_from_numpys_state_and_are_shared_by_the_batch() -> None:
    x = torch.cat([picture(1, 16), picture(1, 16).flip(3)])
    angles = np.random.RandomState(3).uniform(-30, 30, 5)
    targets = [
        rotate(x[0], angles[4], InterpolationMode.BILINEAR),
        rotate(x[1], angles[2], InterpolationMode.BILINEAR),
    ]
    model = Knows(*targets)
    np.random.seed(3)
    found = spatial_random(model, x, RIGHT.repeat(2), rotation=30.0, translation=0.0, draws=5)
    torch.testing.assert_close(found, torch.stack(targets), rtol=0, atol=1e-4)
    np.random.seed(3)
    again = spatial_random(model, x, RIGHT.repeat(2), rotation=30.0, translation=0.0, draws=5)
    assert torch.equal(again, found)


def test_images_that_are_not_square_are_refused() -> None:
    x, model = torch.rand(1, 1, 8, 16), Knows(torch.rand(1, 8, 16))
    for translations in (1, 3):
        with pytest.raises(CellError, match="8×16"):
            spatial_grid(
                model, x, RIGHT, rotation=9.0, translation=0.1, rotations=3, translations=translations
            )
    with pytest.raises(CellError, match="8×16"):
        spatial_random(model, x, RIGHT, rotation=9.0, translation=0.1, draws=3)
