"""zoo.pictures: every mode that a file may have, decoded as torchvision decodes it, or refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from torchvision.datasets.folder import pil_loader

from zoo import data, pictures
from zoo.data import DataError

RNG = np.random.default_rng(0)
RGB = Image.fromarray(RNG.integers(0, 256, (12, 20, 3), dtype=np.uint8))
GREY = Image.fromarray(RNG.integers(0, 256, (12, 20), dtype=np.uint8))
TURNED = 6  # EXIF's number for a quarter turn


def transparent(_: Path) -> Image.Image:
    alpha = Image.fromarray(RNG.integers(0, 256, (12, 20), dtype=np.uint8))
    image = RGB.copy()
    image.putalpha(alpha)
    return image


def palette_with_transparency(_: Path) -> Image.Image:
    image = RGB.quantize(16)
    image.info["transparency"] = bytes(range(0, 160, 10))
    return image


def exif_turned(path: Path) -> Image.Image:
    exif = Image.Exif()
    exif[pictures.TURNED] = TURNED
    RGB.save(path, exif=exif)
    return RGB


def lab(_: Path) -> Image.Image:
    profile = ImageCms.createProfile
    found = ImageCms.profileToProfile(RGB, profile("sRGB"), profile("LAB"), outputMode="LAB")
    assert found is not None
    return found


# ending of the file → the picture in it, or what writes it
DECODED: dict[str, tuple[str, Callable[[Path], Image.Image]]] = {
    "8 bits, colour": (".png", lambda _: RGB),
    "8 bits, grey": (".png", lambda _: GREY),
    "1 bit": (".png", lambda _: GREY.convert("1")),
    "1 bit, TIFF": (".tif", lambda _: GREY.convert("1")),
    "grey with transparency": (".png", lambda _: GREY.convert("LA")),
    "colour with transparency": (".png", transparent),
    "colour with transparency, WebP": (".webp", transparent),
    "palette": (".png", lambda _: RGB.quantize(16)),
    "palette, BMP": (".bmp", lambda _: RGB.quantize(16)),
    "palette with transparency": (".png", palette_with_transparency),
    "CMYK": (".tif", lambda _: RGB.convert("CMYK")),
    "CMYK, JPEG": (".jpg", lambda _: RGB.convert("CMYK")),
    "LAB": (".tif", lab),
    "YCbCr, JPEG": (".jpg", lambda _: RGB),
    "grey, JPEG": (".jpg", lambda _: GREY),
    "turned by EXIF": (".jpg", exif_turned),
    "turned by EXIF, PNG": (".png", exif_turned),
    "turned by EXIF, TIFF": (".tif", exif_turned),
}


@pytest.mark.filterwarnings("ignore:Palette images with Transparency")  # of the oracle
@pytest.mark.parametrize("case", DECODED)
def test_a_picture_is_decoded_as_torchvision_decodes_it(case: str, tmp_path: Path) -> None:
    ending, make = DECODED[case]
    file = tmp_path / f"x{ending}"
    image = make(file)
    if not file.exists():
        image.save(file)
    pixels = pictures.read(file)
    assert pixels.dtype == np.uint8
    assert (pixels.ndim == 2) == ("grey" in case or "1 bit" in case)
    coloured = pixels if pixels.ndim == 3 else np.stack([pixels] * 3, axis=-1)
    assert (coloured == np.asarray(pil_loader(str(file)))).all()


def test_sixteen_bits_of_colour_lose_the_low_eight_as_in_pillow(tmp_path: Path) -> None:
    import struct
    import zlib

    wide = RNG.integers(0, 65536, (8, 8, 3), dtype=np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in wide)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    assert (pictures.read(tmp_path / "x.png") == wide >> 8).all()


def cut_off(path: Path) -> None:
    RGB.save(path)
    path.write_bytes(path.read_bytes()[:300])


def wide(dtype: type, mode: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        image = Image.fromarray((200 * RNG.random((12, 20))).astype(dtype))
        assert image.mode == mode
        image.save(path)

    return write


REFUSED: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "16 bits, grey": (
        ".png",
        wide(np.uint16, "I;16"),
        r"x.png has more than 8 bits a channel \(I;16\): convert it",
    ),
    "16 bits, TIFF": (".tif", wide(np.uint16, "I;16"), r"has more than 8 bits a channel \(I;16\)"),
    "32 bits": (".tif", wide(np.int32, "I"), r"has more than 8 bits a channel \(I\)"),
    "floats": (".tif", wide(np.float32, "F"), r"has more than 8 bits a channel \(F\)"),
    "no picture": (".png", lambda path: path.write_text("no image"), "cannot be read as an image"),
    "cut off": (".png", cut_off, "cannot be read as an image"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_picture_that_would_lose_something_is_refused_by_name(case: str, tmp_path: Path) -> None:
    ending, write, message = REFUSED[case]
    write(tmp_path / f"x{ending}")
    with pytest.raises(DataError, match=message):
        pictures.read(tmp_path / f"x{ending}")


def test_pictures_that_exif_turns_are_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "set" / "val" / "a"
    folder.mkdir(parents=True)
    exif_turned(folder / "0.jpg")
    exif_turned(folder / "1.tif")
    RGB.save(folder / "2.png")
    assert data.load(f"folder:{tmp_path / 'set'}", "test", resize=12).pixels.shape == (3, 3, 12, 12)
    assert "EXIF turns 1 of 3 images of" in capsys.readouterr().err
