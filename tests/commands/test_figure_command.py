"""``bench figure``: one file with its caption and command, of the models asked for."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from PIL import Image

from bench.commands.cli import main

SMALL = ["--n", "8", "--workers", "1"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store of two models under two attacks."""
    place = tmp_path_factory.mktemp("home")
    places = ["--store", f"{place}/s", "--reports", f"{place}/r", "--leaderboard", f"{place}/l.csv"]
    asked = ["--model", "baseline_cnn_4,parallel_gcnn_4", "--attacks", "fgsm,pgd", "--steps", "2"]
    assert main(["run", *asked, "--eps", "0.05,0.1", *SMALL, *places]) == 0
    return place


def drawn(home: Path, name: str, *options: str) -> bytes:
    assert main(["figure", "--store", f"{home}/s", "--out", f"{home}/{name}", *options]) == 0
    return (home / name).read_bytes()


def test_the_file_has_the_caption_and_the_command(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    svg = drawn(
        home, "a.svg", "--kind", "curves", "--models", "baseline_cnn_4", "--attack", "pgd (steps 2)"
    ).decode()
    caption = capsys.readouterr().out.strip()
    assert caption.startswith("Accuracy under pgd (steps 2) against ε;")
    assert "digits, first 8 images, L∞ ball" in caption
    assert f"<dc:title>{caption}</dc:title>" in svg
    assert "bench figure --store" in svg
    assert "baseline_cnn_4" in svg
    assert "parallel_gcnn_4<" not in svg


@pytest.mark.parametrize("kind", ["curves", "scatter"])
def test_every_format_is_what_its_ending_says_and_the_same_each_time(home: Path, kind: str) -> None:
    found = {ending: drawn(home, f"b.{ending}", "--kind", kind) for ending in ("pdf", "svg", "png")}
    assert found["pdf"].startswith(b"%PDF")
    assert not re.search(rb"/CreationDate", found["pdf"])
    image = Image.open(io.BytesIO(found["png"]))
    assert image.info["Description"].startswith("bench figure")
    assert image.size[0] >= 900
    for ending, data in found.items():
        assert drawn(home, f"b.{ending}", "--kind", kind) == data


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--kind", "curves", "--models", "nope"], "choose from baseline_cnn_4 and parallel_gcnn_4"),
        (["--kind", "curves", "--attack", "square"], "these were: fgsm, pgd (steps 2)"),
        (["--kind", "scatter", "--attack", "pgd"], "--attack is for --kind curves"),
        (["--kind", "curves", "--dataset", "cifar10"], "no runs under attacks on 'cifar10'"),
        (["--kind", "sandwich"], "run bench clever"),
        (["--kind", "tradeoff"], "run bench tradeoff"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_a_sentence(
    home: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["figure", "--store", f"{home}/s", "--out", f"{home}/c.pdf", *options]) == 2
    assert message in capsys.readouterr().err


def test_an_unknown_ending_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["figure", "--store", f"{home}/s", "--out", f"{home}/c.gif", "--kind", "curves"]) == 2
    assert "must end in .pdf, .svg, .png" in capsys.readouterr().err
