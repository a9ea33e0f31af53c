"""zoo.corruptions: what each corruption does, and that the images are always the same ones."""

import colorsys
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage
from torchvision.transforms.functional import gaussian_blur

from zoo import cifar10c, data
from zoo.corruptions import CORRUPTIONS, CorruptedPixels, corrupted, made
from zoo.data import DataError
from zoo.grouped import Groups

GREY = data.load("digits", "test").pixels[:30] / 16
COLOUR = ndimage.gaussian_filter(
    np.random.default_rng(0).random((20, 3, 32, 32)), (0, 0.3, 1.5, 1.5), mode="wrap"
)
COLOUR = (COLOUR - COLOUR.min()) / np.ptp(COLOUR)
COLOUR = np.rint(255 * COLOUR) / 255

# The published parameters do not make every step of these larger: see docs/corruptions.md.
UNORDERED = {"glass_blur", "motion_blur", "snow", "frost", "spatter", "elastic_transform", "saturate"}
UNORDERED_SMALL = {"pixelate"}  # on 16 pixels


def one(name: str, severity: int, image: np.ndarray, index: int = 0, seed: int = 0) -> np.ndarray:
    return corrupted(image, name, severity, index=index, seed=seed) / 255


def changes(name: str, images: np.ndarray) -> list[float]:
    return [
        float(np.mean([np.abs(one(name, s, x, i) - x).mean() for i, x in enumerate(images)]))
        for s in range(1, 6)
    ]


def param(name: str, severity: int, place: int = 0) -> float:
    return CORRUPTIONS[name].severities[severity - 1][place]


# the recipe


def test_every_official_corruption_is_made() -> None:
    assert set(CORRUPTIONS) == set(cifar10c.NAMES)
    assert set(made(3)) - set(made(1)) == {"saturate"}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_images_are_8_bit_and_depend_on_seed_index_name_and_severity_alone(name: str) -> None:
    for images in (GREY, COLOUR) if name in made(1) else (COLOUR,):
        before = images[0].copy()
        first = corrupted(images[0], name, 3, index=5, seed=1)
        assert (first.dtype, first.shape) == (np.uint8, images[0].shape)
        np.random.seed(7)
        assert (corrupted(images[0], name, 3, index=5, seed=1) == first).all()
        assert (images[0] == before).all()


@pytest.mark.parametrize("name", ["gaussian_noise", "glass_blur", "fog", "elastic_transform"])
def test_random_numbers_differ_by_index_and_seed(name: str) -> None:
    first = one(name, 3, COLOUR[0])
    assert (one(name, 3, COLOUR[0], index=1) != first).any()
    assert (one(name, 3, COLOUR[0], seed=1) != first).any()


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_change_grows_with_severity(name: str) -> None:
    sizes = changes(name, COLOUR)
    assert min(sizes) > 0
    assert name in UNORDERED or sizes == sorted(sizes)
    if name in made(1):
        small = changes(name, GREY)
        assert min(small) > 0
        assert name in UNORDERED | UNORDERED_SMALL or small == sorted(small)


# closed forms


@pytest.mark.parametrize("severity", [1, 3, 5])
def test_gaussian_and_speckle_noise_have_their_spread(severity: int) -> None:
    flat = np.full((3, 64, 64), 0.5)
    count = flat.size
    for name, spread in (
        ("gaussian_noise", param("gaussian_noise", severity)),
        ("speckle_noise", 0.5 * param("speckle_noise", severity)),
    ):
        noise = one(name, severity, flat) - 0.5
        assert abs(noise.mean()) < 5 * spread / count**0.5 + 0.5 / 255
        assert noise.std() == pytest.approx(spread, rel=0.05)
    assert (one("speckle_noise", 5, np.zeros((1, 16, 16))) == 0).all()


def test_shot_noise_has_the_variance_of_its_photons() -> None:
    flat = np.full((3, 64, 64), 0.4)
    for severity in (1, 5):
        noisy = one("shot_noise", severity, flat)
        assert noisy.mean() == pytest.approx(0.4, abs=0.01)
        assert noisy.var() == pytest.approx(0.4 / param("shot_noise", severity), rel=0.08)


def test_impulse_noise_is_black_or_white_in_its_share() -> None:
    flat = np.full((3, 64, 64), 0.6)
    for severity in range(1, 6):
        noisy = one("impulse_noise", severity, flat)
        black, white = (noisy == 0).mean(), (noisy == 1).mean()
        assert ((noisy == 0) | (noisy == 1) | (noisy == 153 / 255)).all()
        assert black + white == pytest.approx(param("impulse_noise", severity), abs=0.006)
        assert abs(black - white) < 0.008


def test_brightness_is_added_to_the_value_of_hsv() -> None:
    for severity in range(1, 6):
        amount = param("brightness", severity)
        assert (
            np.abs(one("brightness", severity, GREY[0]) - np.minimum(GREY[0] + amount, 1)).max() < 0.51 / 255
        )
        value = np.minimum(COLOUR[0].max(axis=0) + amount, 1)
        bright = one("brightness", severity, COLOUR[0])
        assert np.abs(bright.max(axis=0) - value).max() < 0.51 / 255
        # hue and saturation stay: all channels grow in proportion
        expected = COLOUR[0] * value / COLOUR[0].max(axis=0)
        assert np.abs(bright - expected).max() < 0.51 / 255


def test_saturation_is_scaled_and_added_to() -> None:
    for severity in range(1, 6):
        factor, amount = CORRUPTIONS["saturate"].severities[severity - 1]
        high, low = COLOUR[0].max(axis=0), COLOUR[0].min(axis=0)
        wanted = np.clip(factor * (high - low) / high + amount, 0, 1)
        changed = one("saturate", severity, COLOUR[0])
        assert np.abs(changed.max(axis=0) - high).max() < 0.51 / 255
        assert np.abs(changed.min(axis=0) - high * (1 - wanted)).max() < 0.51 / 255


def test_contrast_scales_distances_from_the_channel_means() -> None:
    mean = COLOUR[0].mean(axis=(1, 2), keepdims=True)
    for severity in range(1, 6):
        expected = mean + param("contrast", severity) * (COLOUR[0] - mean)
        assert np.abs(one("contrast", severity, COLOUR[0]) - expected).max() < 0.51 / 255


@pytest.mark.parametrize("severity", [1, 3, 5])
def test_gaussian_blur_is_torchvisions(severity: int) -> None:
    sigma = param("gaussian_blur", severity)
    reach = int(4 * sigma + 0.5)
    padded = np.pad(COLOUR[0], ((0, 0), (reach, reach), (reach, reach)), mode="edge")
    oracle = gaussian_blur(torch.from_numpy(padded), 2 * reach + 1, sigma)[:, reach:-reach, reach:-reach]
    assert np.abs(one("gaussian_blur", severity, COLOUR[0]) - oracle.numpy()).max() < 0.51 / 255


@pytest.mark.parametrize("name", ["brightness", "saturate"])
def test_hsv_is_the_standard_librarys(name: str) -> None:
    for severity in range(1, 6):
        first, *rest = CORRUPTIONS[name].severities[severity - 1]
        changed = one(name, severity, COLOUR[0])
        for row, column in ((0, 0), (5, 17), (31, 8)):
            hue, saturation, value = colorsys.rgb_to_hsv(*COLOUR[0][:, row, column])
            if name == "brightness":
                value = min(value + first, 1)
            else:
                saturation = min(max(first * saturation + rest[0], 0), 1)
            oracle = colorsys.hsv_to_rgb(hue, saturation, value)
            assert np.abs(changed[:, row, column] - oracle).max() < 0.51 / 255


@pytest.mark.parametrize("name", ["gaussian_blur", "defocus_blur", "glass_blur", "zoom_blur", "pixelate"])
def test_blurs_leave_a_flat_image_alone(name: str) -> None:
    for severity in range(1, 6):
        for flat in (np.full((1, 16, 16), 0.4), np.full((3, 32, 32), 0.4)):
            assert np.abs(one(name, severity, flat) - 0.4).max() <= 0.51 / 255


def test_defocus_spreads_a_point_over_a_disk() -> None:
    point = np.zeros((1, 16, 16))
    point[0, 8, 8] = 1
    spread = one("defocus_blur", 5, point)[0]
    assert (spread[7:10, 7:10] > 0.1).all()  # radius 1.5 covers 3×3 pixels, a ninth of the light each
    assert spread.sum() == pytest.approx(1, abs=0.03)


def test_glass_blur_only_moves_pixels_when_its_blur_is_nothing() -> None:
    image = np.arange(256.0).reshape(1, 16, 16) / 255
    moved = one("glass_blur", 1, image)  # σ = 0.05 is less than a pixel can show
    assert sorted(moved.ravel()) == sorted(image.ravel())
    assert (moved != image).mean() > 0.3


def test_zoom_blur_keeps_the_centre() -> None:
    distance = np.hypot(*(np.mgrid[:32, :32] - 15.5))
    cone = np.repeat((1 - distance / distance.max())[None], 3, axis=0)
    blurred = one("zoom_blur", 5, cone)
    change = np.abs(blurred - cone)
    assert change[:, 15:17, 15:17].max() < 0.02
    assert change[:, 0, 0].min() > 0.08
    assert (np.abs(blurred - blurred[:, ::-1]) < 1.1 / 255).all()


def test_fog_keeps_the_brightest_value_and_dims_the_image() -> None:
    for severity in range(1, 6):
        amount = param("fog", severity)
        foggy = one("fog", severity, COLOUR[0])
        top = COLOUR[0].max()
        assert foggy.max() <= top + 0.51 / 255
        assert (foggy >= COLOUR[0] * top / (top + amount) - 0.51 / 255).all()
        assert (foggy <= (COLOUR[0] + amount) * top / (top + amount) + 0.51 / 255).all()


@pytest.mark.parametrize("severity", [1, 5])
def test_jpeg_is_pillows(severity: int, tmp_path: Path) -> None:
    levels = np.rint(255 * COLOUR[0]).astype(np.uint8).transpose(1, 2, 0)
    Image.fromarray(levels).save(tmp_path / "x.jpg", quality=param("jpeg_compression", severity))
    with Image.open(tmp_path / "x.jpg") as read:
        expected = np.asarray(read).transpose(2, 0, 1)
    assert (corrupted(COLOUR[0], "jpeg_compression", severity, index=0, seed=0) == expected).all()


def test_pixelate_leaves_as_many_rows_and_columns_as_it_shrinks_to() -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 32, 32)) / 255
    for severity, left in enumerate((30, 28, 27, 24, 20), 1):
        shrunk = one("pixelate", severity, image)[0]
        assert len({tuple(row) for row in shrunk}) == left
        assert len({tuple(column) for column in shrunk.T}) == left


def test_elastic_transform_moves_what_is_there() -> None:
    for severity in range(1, 6):
        warped = one("elastic_transform", severity, COLOUR[0])
        assert warped.min() >= COLOUR[0].min() - 0.51 / 255
        assert warped.max() <= COLOUR[0].max() + 0.51 / 255
        reach = 32 * (param("elastic_transform", severity, 2) * 3.5 + param("elastic_transform", severity))
        ramp = np.repeat((np.arange(32) / 31)[None, None], 32, axis=1)
        moved = np.abs(one("elastic_transform", severity, ramp) - ramp) * 31
        assert moved.max() <= reach


# the data set


def test_the_set_is_base_major_and_every_image_is_the_recipes() -> None:
    plain, test = data.load("digits", "test"), data.load("corrupted:digits", "test")
    groups = test.groups
    assert groups is not None
    assert (test.name, test.split, test.levels, test.channels, test.size) == (
        "corrupted-digits",
        "test",
        255,
        1,
        16,
    )
    assert (groups.names, groups.base, groups.base_sha256) == (made(1), "digits", plain.sha256)
    assert len(test) == len(groups) == 360 * 18 * 5 == len(test.labels)
    assert groups.image[:91].tolist() == [0] * 90 + [1]
    assert groups.corruption[:11].tolist() == [0] * 5 + [1] * 5 + [2]
    assert groups.severity[:6].tolist() == [1, 2, 3, 4, 5, 1]
    assert (test.labels == plain.labels[groups.image]).all()
    for index in (0, 69, 70, 143, len(test) - 1):
        image, name = groups.image[index], groups.names[groups.corruption[index]]
        expected = corrupted(
            plain.pixels[image] / 16, name, int(groups.severity[index]), index=int(image), seed=0
        )
        assert (test.pixels[index : index + 1][0] == expected).all()
        assert (test.images(index, 1).numpy()[0] == (expected / np.float32(255)).astype(np.float32)).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 400), st.integers(0, 160))
def test_any_slice_is_the_same_images(first: int, count: int) -> None:
    pixels = SLICED
    whole = pixels[0:720]
    assert (pixels[first : first + count] == whole[first : first + count]).all()


SLICED = CorruptedPixels(data.load("digits", "test").pixels[:8], 16, made(1), 0)


def test_images_are_made_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from zoo.corruptions import pixels

    count = []
    monkeypatch.setattr(pixels, "corrupted", lambda *a, **k: (count.append(1), corrupted(*a, **k))[1])
    test = data.load("corrupted:digits", "test")
    test.images(0, 180)
    assert len(count) == 180
    test.images(20, 100)
    assert len(count) == 180


def test_the_digest_is_of_base_recipe_corruptions_and_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    def digest(spec: str = "corrupted:digits:fog", **options: int) -> str:
        return data.load(spec, "test", **options).sha256  # type: ignore[arg-type]

    first = digest()
    assert digest() == first
    assert len({first, digest("corrupted:digits:contrast"), digest(seed=1), digest("corrupted:digits")}) == 4
    monkeypatch.setattr("zoo.corruptions.pixels.VERSION", 2)
    assert digest() != first


def test_another_librarys_bits_are_another_set(monkeypatch: pytest.MonkeyPatch) -> None:
    first = data.load("corrupted:digits:jpeg_compression", "test").sha256
    save = Image.Image.save
    monkeypatch.setattr(
        Image.Image, "save", lambda self, *a, quality, **k: save(self, *a, quality=quality - 5, **k)
    )
    assert data.load("corrupted:digits:jpeg_compression", "test").sha256 != first


def test_one_corruption_and_folders_with_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for kind in ("ant", "bee"):
            place = tmp_path / "pets" / split / kind
            place.mkdir(parents=True)
            Image.fromarray(rng.integers(0, 256, (16, 16, 3)).astype(np.uint8)).save(place / "0.png")
    one_name = data.load(f"corrupted:folder:{tmp_path / 'pets'}:saturate", "test", name="mine")
    assert (one_name.name, len(one_name), one_name.classes) == (
        "corrupted-mine-saturate",
        10,
        ("ant", "bee"),
    )
    assert len(data.load(f"corrupted:folder:{tmp_path / 'pets'}", "test", resize=24).pixels) == 2 * 95
    assert data.load("corrupted:digits:fog", "test").groups == Groups(
        ("fog",), "digits", data.load("digits", "test").sha256, 360, "CIFAR-10-C"
    )


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("corrupted:digits:fogg", "unknown corruption 'fogg': did you mean fog"),
        ("corrupted:digits:saturate", "saturate needs colour, and the images of digits are grey"),
        ("corrupted:corrupted:digits", "corrupted already"),
        ("corrupted:cifar10c", "corrupted already"),
        ("corrupted:digitz", "did you mean digits"),
        ("corrupted:folder:nowhere", "nowhere/test is missing"),
    ],
)
def test_refusals(spec: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        data.load(spec, "test")


def test_corrupted_images_are_not_trained_on_and_seeds_belong_to_them() -> None:
    with pytest.raises(DataError, match="train on plain ones"):
        data.load("corrupted:digits", "train")
    with pytest.raises(DataError, match="--corruption-seed is for corrupted"):
        data.load("digits", "test", seed=1)


def test_another_process_makes_the_same_set() -> None:
    code = "from zoo import data; print(data.load('corrupted:digits', 'test').sha256)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout.strip() == data.load("corrupted:digits", "test").sha256


ROOT = Path(__file__).parents[2]


def test_the_document_shows_the_recipe() -> None:
    text = (ROOT / "docs" / "corruptions.md").read_text()
    for name, each in CORRUPTIONS.items():
        severities = " · ".join(", ".join(f"{value:g}" for value in values) for values in each.severities)
        row = f"| `{name}` | {each.parameters} | {severities} | {each.library} | {each.differs or '–'} |"
        assert row in text
