"""Motion blur, snow, frost and spatter: closed forms and statistics of what their recipes state."""

import math

import numpy as np
import pytest

from zoo import data
from zoo.corruptions import CORRUPTIONS, corrupted
from zoo.corruptions.blur import motion_blur
from zoo.corruptions.weather import FROST, LUMA, MUD, WATER, frost_picture, snow

STEP = 0.51 / 255
SNOW = CORRUPTIONS["snow"].severities
SPATTER = CORRUPTIONS["spatter"].severities


def many(name: str, severity: int, image: np.ndarray, count: int = 30) -> np.ndarray:
    return np.stack([corrupted(image, name, severity, index=i, seed=0) for i in range(count)]) / 255


def above(least: float, mean: float, sigma: float) -> float:
    """Share of a normal distribution above a value."""
    return math.erfc((least - mean) / (sigma * 2**0.5)) / 2


def smoothed(sigma: float, by: float) -> float:
    """σ of white noise of one σ after a Gaussian filter: its root of the sum of squared weights, in each direction."""
    reach = int(4 * by + 0.5)
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * by**2))
    return sigma * float(((weights / weights.sum()) ** 2).sum())


def test_motion_blur_level_is_half_a_gaussian_to_one_side() -> None:
    point = np.zeros((1, 32, 32))
    point[0, 16, 20] = 1
    spread = motion_blur(point, np.random.default_rng(0), 6, 2, (0, 0))[0]
    weights = np.exp(-(np.arange(13) ** 2) / 8)
    assert np.abs(spread[16, 20:7:-1] - weights / weights.sum()).max() < 1e-12
    assert np.count_nonzero(spread) == 13


@pytest.mark.parametrize("severity", [1, 3, 5])
def test_motion_blur_keeps_light_and_moves_it_by_the_mean_of_half_a_gaussian(severity: int) -> None:
    radius, sigma = CORRUPTIONS["motion_blur"].severities[severity - 1]
    point = np.zeros((1, 64, 64))
    point[0, 32, 32] = 1
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    for angle in (-45, 0, 45):
        spread = motion_blur(point, np.random.default_rng(0), radius, sigma, (angle, angle))[0]
        assert spread.sum() == pytest.approx(1, abs=1e-12)
        row, column = ((np.mgrid[:64, :64] - 32) * spread).sum(axis=(1, 2))
        travelled = (weights * steps).sum() / weights.sum()
        assert -row == pytest.approx(travelled * np.sin(np.deg2rad(angle)), abs=0.5)
        assert -column == pytest.approx(travelled * np.cos(np.deg2rad(angle)), abs=0.5)


def test_motion_blur_leaves_a_flat_image_alone() -> None:
    assert np.abs(many("motion_blur", 5, np.full((3, 16, 16), 0.4), 5) - 0.4).max() <= STEP


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_snow_adds_the_light_of_its_flakes_twice_to_the_pale_image(severity: int) -> None:
    mean, sigma, zoom, least, *_, kept = SNOW[severity - 1]
    black = many("snow", severity, np.zeros((1, 32, 32)))
    assert black.min() == pytest.approx((1 - kept) * 0.5, abs=STEP)  # where no flake is
    assert (np.abs(black - black[:, :, ::-1, ::-1]) < 1.1 / 255).all()  # flakes, and the same turned by 180°
    if zoom == 1:
        draws = np.random.default_rng(0).normal(mean, sigma, 1_000_000)
        flakes = np.clip(np.where(draws < least, 0, draws), 0, 1).mean()
        rngs = [np.random.default_rng(i) for i in range(200)]
        means = [snow(np.zeros((1, 32, 32)), rng, *SNOW[severity - 1]).mean() for rng in rngs]
        error = 4 * np.std(means) / len(means) ** 0.5
        assert np.mean(means) == pytest.approx((1 - kept) * 0.5 + 2 * flakes, abs=error)


def test_snow_makes_grey_of_colour_paler_by_its_luma() -> None:
    colour = np.array([0.1, 0.6, 0.2])
    image = np.broadcast_to(colour[:, None, None], (3, 32, 32))
    pale = many("snow", 1, image).min(axis=(0, 2, 3))
    kept = SNOW[0][-1]
    expected = kept * colour + (1 - kept) * np.maximum(colour, 1.5 * LUMA @ colour + 0.5)
    assert np.abs(pale - expected).max() <= STEP


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_frost_is_the_published_mixture_of_image_and_frost(severity: int) -> None:
    kept, amount = CORRUPTIONS["frost"].severities[severity - 1]
    frosted = many("frost", severity, np.full((3, 32, 32), 0.4))
    # the picture reaches from 0 to 1 in every image
    low, high = frosted.min(axis=(0, 2, 3)), frosted.max(axis=(0, 2, 3))
    assert np.abs(low - kept * 0.4).max() <= STEP
    assert np.abs(high - np.minimum(kept * 0.4 + amount * FROST, 1)).max() <= STEP


def test_frost_is_made_of_needles() -> None:
    picture = frost_picture(np.random.default_rng(0), 32, 32)
    assert (picture.min(), picture.max()) == (0, 1)
    noise = picture - picture.mean()
    beside = (noise[:, 1:] * noise[:, :-1]).mean() / noise.var()
    assert beside > 5 / 32  # neighbours are alike; those of single grains would be by 0 ± 1/32


@pytest.mark.parametrize("severity", [1, 2, 3])
def test_water_covers_its_share_and_adds_pale_turquoise(severity: int) -> None:
    mean, sigma, smooth, least, strength, mud = SPATTER[severity - 1]
    assert not mud
    wet = many("spatter", severity, np.zeros((3, 32, 32)), 60)
    share = above(least, mean, smoothed(sigma, smooth))
    error = (share * 4 * np.pi * smooth**2 / (60 * 32 * 32)) ** 0.5  # neighbours are no independent draws
    assert 0 < (wet > 0).any(axis=1).mean() <= share + 4 * error
    assert wet.max(axis=(0, 2, 3)) == pytest.approx(strength * WATER, abs=STEP)
    assert (np.abs(wet / WATER[:, None, None] - wet[:, 1:2] / WATER[1]) < 1.5 / 255).all()


@pytest.mark.parametrize("severity", [4, 5])
def test_mud_hides_what_is_behind(severity: int) -> None:
    mean, sigma, smooth, least, _, mud = SPATTER[severity - 1]
    assert mud
    muddy = many("spatter", severity, np.ones((3, 32, 32)), 60)
    touched = (muddy < 1).all(axis=1)
    assert 0 < touched.mean() < above(least, mean, smoothed(sigma, smooth))
    cover = (1 - muddy) / (1 - MUD[:, None, None])
    assert cover[touched.nonzero()[0], :, *touched.nonzero()[1:]].min() >= 0.8 - 2 / 255
    assert cover.max() <= 1 + 2 / 255


def test_images_without_a_drop_stay_as_they_are() -> None:
    from zoo.corruptions.weather import spatter

    image = np.random.default_rng(0).random((3, 8, 8))
    for mud in (0, 1):
        assert (spatter(image, np.random.default_rng(0), 0, 0.1, 0.7, 0.7, 0.5, mud) == image).all()


def test_constants_are_the_published_ones() -> None:
    assert CORRUPTIONS["motion_blur"].severities == [(6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)]
    assert CORRUPTIONS["frost"].severities == [(1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)]
    assert SNOW[0] == (0.1, 0.2, 1, 0.6, 8, 3, 0.95)
    assert SNOW[4] == (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8)
    assert SPATTER[0] == (0.62, 0.1, 0.7, 0.7, 0.5, 0)
    assert SPATTER[4] == (0.65, 0.1, 0.5, 0.68, 0.6, 1)


def test_single_corruptions_known_before_are_the_same_images() -> None:
    """The digest is of the images of this machine's libraries, but of two corruptions by NumPy alone."""
    digests = {
        name: data.load(f"corrupted:digits:{name}", "test").sha256 for name in ("contrast", "brightness")
    }
    assert {name: value[:12] for name, value in digests.items()} == {
        "contrast": "e0ebc994cf39",
        "brightness": "5da69d9600a6",
    }
