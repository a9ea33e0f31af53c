"""Corruptions of images of about 224 pixels: ImageNet-C's parameters, and what each of them does at every severity."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage, stats
from torchvision.transforms.functional import gaussian_blur

from zoo import data
from zoo.corruptions import CORRUPTIONS, blur, colour, constants, corrupted
from zoo.corruptions.weather import FROST, MUD, WATER, snow
from zoo.grouped import SEVERITIES

HEIGHT, WIDTH = 96, 112
SMOOTH = ndimage.gaussian_filter(
    np.random.default_rng(0).random((3, HEIGHT, WIDTH)), (0, 4, 4), mode="wrap"
)  # fmt: skip
SMOOTH = np.rint(255 * (SMOOTH - SMOOTH.min()) / np.ptp(SMOOTH)) / 255
STEP = 0.51 / 255
ALL = pytest.mark.parametrize("severity", range(1, SEVERITIES + 1))
UNORDERED = {"frost", "fog", "elastic_transform", "saturate"}


def of(name: str, severity: int) -> tuple[Any, ...]:
    return constants.IMAGENETC[name][severity - 1]


def one(name: str, severity: int, image: np.ndarray, index: int = 0) -> np.ndarray:
    return corrupted(image, name, severity, index=index, seed=0) / 255


def flat(value: float, channels: int = 3) -> np.ndarray:
    return np.full((channels, HEIGHT, WIDTH), value)


def drawn(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# which parameters


def test_parameters_are_those_published_for_the_nearest_side() -> None:
    for side, whose in (
        (8, "CIFAR-10-C"),
        (64, "CIFAR-10-C"),
        (84, "CIFAR-10-C"),
        (85, "ImageNet-C"),
        (224, "ImageNet-C"),
    ):
        assert constants.constants_of(side, side) == whose
        # the shorter side decides
        assert constants.constants_of(side, 500) == constants.constants_of(500, side) == whose
        nearest = min(constants.SIDES, key=lambda each: abs(math.log(side / constants.SIDES[each])))
        assert nearest == whose


def test_all_types_have_five_severities_of_either_kind() -> None:
    for table in constants.PUBLISHED.values():
        assert set(table) == set(CORRUPTIONS)
        assert {len(severities) for severities in table.values()} == {SEVERITIES}
        assert all(len({*map(len, severities)}) == 1 for severities in table.values())
    lengths = [{name: len(rows[0]) for name, rows in table.items()} for table in constants.PUBLISHED.values()]
    assert lengths[0] == lengths[1]


def test_the_magnifications_are_counted_as_numpy_counts_them() -> None:
    ends = (1.11, 1.16, 1.21, 1.26, 1.31)
    for (steps, percent), end, step in zip(
        constants.IMAGENETC["zoom_blur"], ends, (0.01, 0.01, 0.02, 0.02, 0.03), strict=True
    ):
        assert np.allclose(np.arange(1, end, step), 1 + percent / 100 * np.arange(steps))


def test_the_set_and_the_document_say_whose_they_are(tmp_path: Path) -> None:
    for side, whose in ((32, "CIFAR-10-C"), (96, "ImageNet-C")):
        pixels = drawn().integers(0, 256, (2, side, side, 3), dtype=np.uint8)
        np.savez(tmp_path / f"s{side}.npz", x_test=pixels, y_test=[0, 1])
        found = data.load(f"corrupted:npz:{tmp_path / f's{side}.npz'}:contrast", "test")
        assert found.groups is not None
        assert found.groups.constants == whose
        factor = constants.PUBLISHED[whose]["contrast"][0][0]
        base = data.load(f"npz:{tmp_path / f's{side}.npz'}", "test").pixels[0] / 255
        mean = base.mean((1, 2), keepdims=True)
        assert np.abs(found.pixels[0:1][0] / 255 - mean - factor * (base - mean)).max() <= STEP
    text = (Path(__file__).parents[2] / "docs" / "corruptions.md").read_text()
    for name in CORRUPTIONS:
        rows = constants.IMAGENETC[name]
        assert (
            f"| `{name}` | {' · '.join(', '.join(f'{value:g}' for value in row) for row in rows)} |" in text
        )


def test_change_grows_with_severity() -> None:
    for name in CORRUPTIONS:
        sizes = [float(np.abs(one(name, s, SMOOTH) - SMOOTH).mean()) for s in range(1, SEVERITIES + 1)]
        assert min(sizes) > 0
        assert name in UNORDERED or sizes == sorted(sizes), name


# closed forms and statistics, at each severity


@ALL
def test_noise_has_its_spread_where_it_is_not_cut_off(severity: int) -> None:
    for name, spread in (
        ("gaussian_noise", of("gaussian_noise", severity)[0]),
        ("speckle_noise", 0.5 * of("speckle_noise", severity)[0]),
    ):
        noise = one(name, severity, flat(0.5)) - 0.5
        inside = np.abs(noise) < 0.45
        share = math.erf(0.45 / spread / 2**0.5)
        assert inside.mean() == pytest.approx(
            share, abs=5 * (share * (1 - share) / noise.size) ** 0.5 + 0.002
        )
        expected = stats.truncnorm(-0.45 / spread, 0.45 / spread).std() * spread
        assert noise[inside].std() == pytest.approx(expected, rel=0.02)


@ALL
def test_shot_noise_counts_photons(severity: int) -> None:
    (photons,) = of("shot_noise", severity)
    counts = np.rint(photons * one("shot_noise", severity, flat(0.4))).astype(int)
    likely = stats.poisson(0.4 * photons)
    for k in range(photons):
        share = likely.pmf(k)
        assert (counts == k).mean() == pytest.approx(share, abs=5 * (share / counts.size) ** 0.5 + 1e-4)


@ALL
def test_impulse_noise_is_black_or_white_in_its_share(severity: int) -> None:
    (share,) = of("impulse_noise", severity)
    noisy = one("impulse_noise", severity, flat(0.6))
    error = 5 * (share / noisy.size) ** 0.5
    for value in (0, 1):
        assert (noisy == value).mean() == pytest.approx(share / 2, abs=error)
    assert ((noisy == 0) | (noisy == 1) | (noisy == 153 / 255)).all()


@ALL
def test_gaussian_blur_is_torchvisions(severity: int) -> None:
    (sigma,) = of("gaussian_blur", severity)
    reach = int(4 * sigma + 0.5)
    padded = np.pad(SMOOTH, ((0, 0), (reach, reach), (reach, reach)), mode="edge")
    oracle = gaussian_blur(torch.from_numpy(padded), 2 * reach + 1, sigma)[:, reach:-reach, reach:-reach]
    assert np.abs(one("gaussian_blur", severity, SMOOTH) - oracle.numpy()).max() <= STEP


@ALL
def test_glass_blur_exchanges_pixel_by_pixel_between_two_blurs(severity: int) -> None:
    sigma, reach, rounds = of("glass_blur", severity)
    rng = drawn()
    expected = blur.gaussian_blur(SMOOTH, rng, sigma).copy()
    for _ in range(rounds):
        steps = iter(rng.integers(-reach, reach, ((HEIGHT - 2 * reach) * (WIDTH - 2 * reach), 2)))
        for row in range(HEIGHT - reach, reach, -1):
            for column in range(WIDTH - reach, reach, -1):
                down, right = next(steps)
                here, there = (slice(None), row, column), (slice(None), row + down, column + right)
                expected[here], expected[there] = expected[there].copy(), expected[here].copy()
    expected = blur.gaussian_blur(expected, rng, sigma)
    assert np.abs(blur.glass_blur(SMOOTH, drawn(), sigma, reach, rounds) - expected).max() < 1e-12


@ALL
def test_defocus_spreads_a_point_over_its_disk(severity: int) -> None:
    radius, soften = of("defocus_blur", severity)
    point = np.zeros((1, 49, 49))
    point[0, 24, 24] = 1
    spread = blur.defocus_blur(point, drawn(), radius, soften)[0]
    distance = np.hypot(*(np.mgrid[:49, :49] - 24))
    disk = distance <= radius
    border = 3 if radius > 8 else 1.5  # of the Gaussian that softens the edge
    assert np.abs(spread[distance <= radius - border] * disk.sum() - 1).max() < 1e-9
    assert spread[distance > radius + border].max() == 0
    assert spread.sum() == pytest.approx(1, abs=1e-9)


@ALL
def test_motion_blur_moves_light_by_the_mean_of_half_a_gaussian(severity: int) -> None:
    radius, sigma = of("motion_blur", severity)
    point = np.zeros((1, HEIGHT, WIDTH))
    point[0, 48, 56] = 1
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    spread = blur.motion_blur(point, drawn(), radius, sigma, (0, 0))[0]
    assert np.abs(spread[48, 56 : 56 - 2 * radius - 1 : -1] - weights / weights.sum()).max() < 1e-12
    assert spread.sum() == pytest.approx(1, abs=1e-12)


@ALL
def test_zoom_blur_of_a_ramp_is_a_flatter_ramp(severity: int) -> None:
    steps, percent = of("zoom_blur", severity)
    factor = (1 + sum(1 / (1 + percent * step / 100) for step in range(steps))) / (steps + 1)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] - np.array([HEIGHT - 1, WIDTH - 1])[:, None, None] / 2
    slope = rows / 300 + columns / 400
    assert np.abs(one("zoom_blur", severity, 0.5 + slope[None]) - (0.5 + factor * slope)).max() <= STEP


@ALL
def test_snow_adds_the_light_of_its_flakes_twice_to_the_pale_image(severity: int) -> None:
    mean, sigma, zoom, least, *_, kept = of("snow", severity)
    images = [snow(flat(0.0, 1), drawn(seed), *of("snow", severity)) for seed in range(30)]
    light = np.stack(images) - (1 - kept) * 0.5
    assert light.min() >= -1e-12
    assert np.abs(light - light[..., ::-1, ::-1]).max() < 1e-12
    # noise enlarged by interpolation: four draws with the weights of a place between them
    rng = drawn(1)
    places = [(np.arange(side) / zoom + (side - 1) / 2 * (1 - 1 / zoom)) % 1 for side in (HEIGHT, WIDTH)]
    down, right = (rng.choice(each, 400_000) for each in places)
    weights = np.stack([(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right])
    noise = (weights * rng.normal(mean, sigma, weights.shape)).sum(axis=0)
    flakes = np.clip(np.where(noise < least, 0, noise), 0, 1).mean()
    error = 4 * light.mean(axis=(1, 2, 3)).std() / len(light) ** 0.5
    assert light.mean() == pytest.approx(2 * flakes, abs=error + 0.03 * flakes)


@ALL
def test_frost_is_the_published_mixture_of_image_and_frost(severity: int) -> None:
    kept, amount = of("frost", severity)
    frosted = one("frost", severity, flat(0.4))
    assert np.abs(frosted.min(axis=(1, 2)) - np.minimum(kept * 0.4, 1)).max() <= STEP
    assert np.abs(frosted.max(axis=(1, 2)) - np.minimum(kept * 0.4 + amount * FROST, 1)).max() <= STEP


@ALL
def test_fog_keeps_the_brightest_value_and_dims_the_image(severity: int) -> None:
    amount, decay = of("fog", severity)
    top = SMOOTH.max()
    foggy = colour.fog(SMOOTH, drawn(), amount, decay)
    light = (foggy * (top + amount) / top - SMOOTH) / amount
    assert light.min() == pytest.approx(0, abs=1e-9)
    assert light.max() == pytest.approx(1, abs=1e-9)
    assert np.abs(light - light[0]).max() < 1e-9  # the same in every channel
    # an octave is decay² weaker than the one before it, so a small decay leaves a rougher pattern
    rough = np.abs(np.diff(light[0], axis=1)).mean() / light[0].std()
    gentler = colour.fog(SMOOTH, drawn(), amount, 2 * decay)
    light = (gentler * (top + amount) / top - SMOOTH) / amount
    assert rough > np.abs(np.diff(light[0], axis=1)).mean() / light[0].std()


@ALL
def test_light_and_colour_follow_their_formulas(severity: int) -> None:
    high, low = SMOOTH.max(axis=0), SMOOTH.min(axis=0)
    value = np.minimum(high + of("brightness", severity)[0], 1)
    expected = SMOOTH * np.divide(value, high, where=high > 0, out=np.ones_like(high))
    bright = one("brightness", severity, SMOOTH)
    assert np.abs(bright - expected)[:, high > 0].max() <= STEP
    factor, amount = of("saturate", severity)
    saturation = np.clip(
        factor * np.divide(high - low, high, where=high > 0, out=np.zeros_like(high)) + amount, 0, 1
    )
    changed = one("saturate", severity, SMOOTH)
    assert np.abs(changed.max(axis=0) - high).max() <= STEP
    assert np.abs(changed.min(axis=0) - high * (1 - saturation)).max() <= STEP
    mean = SMOOTH.mean(axis=(1, 2), keepdims=True)
    expected = mean + of("contrast", severity)[0] * (SMOOTH - mean)
    assert np.abs(one("contrast", severity, SMOOTH) - expected).max() <= STEP


@ALL
def test_elastic_transform_displaces_by_smoothed_noise(severity: int) -> None:
    shift, smooth, corner = of("elastic_transform", severity)
    ramp = np.broadcast_to(np.arange(float(WIDTH)) / WIDTH, (1, HEIGHT, WIDTH))
    moved = WIDTH * (blur.elastic_transform(ramp, drawn(), shift, smooth, 0) - ramp)[0, 20:-20, 20:-20]
    sigma = smooth * HEIGHT
    offsets = np.arange(-int(3 * sigma + 0.5), int(3 * sigma + 0.5) + 1)
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    spread = shift * HEIGHT / 3**0.5 * ((weights / weights.sum()) ** 2).sum()  # of uniform noise, smoothed
    if severity > 2:  # where the smoothing is small, many displacements are independent
        assert moved.std() == pytest.approx(spread, rel=0.1)
    elif severity == 1:  # so smooth that all pixels move alike, by the mean of all the noise
        assert moved.std() < 0.1 * np.abs(moved).mean()
        assert np.abs(moved).max() < 4 * shift * HEIGHT / (3 * HEIGHT * WIDTH) ** 0.5
    assert np.abs(moved).max() < 6 * spread
    corners = [blur.elastic_transform(ramp, drawn(seed), 0, smooth, corner)[0, 48, 56] for seed in range(60)]
    far = WIDTH * (np.array(corners) - 56 / WIDTH)
    assert 0.1 * corner * HEIGHT < far.std() < corner * HEIGHT
    assert np.abs(one("elastic_transform", severity, flat(0.4)) - 0.4).max() <= STEP


@ALL
def test_pixelate_leaves_as_many_rows_and_columns_as_it_shrinks_to(severity: int) -> None:
    (scale,) = of("pixelate", severity)
    shrunk = one("pixelate", severity, drawn().integers(0, 256, (1, HEIGHT, WIDTH)) / 255)[0]
    assert len({tuple(row) for row in shrunk}) == int(HEIGHT * scale)
    assert len({tuple(column) for column in shrunk.T}) == int(WIDTH * scale)


@ALL
def test_jpeg_is_pillows(severity: int) -> None:
    file = io.BytesIO()
    Image.fromarray(np.rint(255 * SMOOTH).astype(np.uint8).transpose(1, 2, 0)).save(
        file, "JPEG", quality=of("jpeg_compression", severity)[0]
    )
    expected = np.asarray(Image.open(file)).transpose(2, 0, 1)
    assert (corrupted(SMOOTH, "jpeg_compression", severity, index=0, seed=0) == expected).all()


@ALL
def test_spatter_is_water_and_then_mud_over_its_share(severity: int) -> None:
    mean, sigma, smooth, least, strength, mud = of("spatter", severity)
    assert mud == (severity > 3)
    reach = int(4 * smooth + 0.5)
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * smooth**2))
    spread = sigma * ((weights / weights.sum()) ** 2).sum()
    share = math.erfc((least - mean) / spread / 2**0.5) / 2
    images = np.stack([one("spatter", severity, flat(float(mud)), index) for index in range(8)])
    touched = (images != mud).any(axis=1).mean()
    error = 4 * (share * 4 * np.pi * smooth**2 / (8 * HEIGHT * WIDTH)) ** 0.5  # neighbours are alike
    assert 0 < touched <= share + error
    if mud:
        cover = (1 - images) / (1 - MUD[:, None, None])
        assert cover[cover > 2 / 255].min() >= 0.8 - 3 / 255
    else:
        assert images.max(axis=(0, 2, 3)) == pytest.approx(strength * WATER, abs=STEP)
