"""What the first look says on the command line, and the options that it names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from bench.errors import UsageError
from bench.inputs.preparation import output_numbers
from bench.leaderboard.file import read
from tests.own import call, forget_rows, write_images
from zoo import notes

Capture = pytest.CaptureFixture[str]

OWN = """
import zoo
from torch import nn
class Wrapped(nn.Module):
    def __init__(self, scale, order):
        super().__init__()
        self.scale, self.order, self.model = scale, order, zoo.load("baseline_cnn_4", "digits")
    def forward(self, x):
        return self.model(x / self.scale)[:, self.order]
def bytes_(): return Wrapped(255.0, list(range(10)))
def turned(): return Wrapped(1.0, list(range(9, -1, -1)))
def both(): return Wrapped(255.0, list(range(9, -1, -1)))
def wide(): return Wrapped(1.0, [0] * 5 + list(range(10)))
def sound(): return Wrapped(1.0, list(range(10)))
def random():
    import zoo
    return zoo.build("baseline_cnn_4", channels=1, classes=10, size=16)
"""
RUN = ("--attacks", "fgsm", "--eps", "0.1", "--n", 40, "--workers", 1)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(notes, "_said", {})
    Path("own.py").write_text(OWN)
    return tmp_path


def run(capsys: Capture, model: str, *words: Any) -> tuple[str, dict[str, Any]]:
    answer = call(capsys, "run", "--model", f"own.py:{model}", *RUN, *words)
    assert answer.code == 0, answer.err
    return answer.err, read(Path("leaderboard.csv"))[-1]


@pytest.mark.parametrize(
    ("model", "kind", "option"),
    [
        ("bytes_", "preparation", "--scale 255"),
        ("turned", "classes", "--classes=9,8,7,6,5,4,3,2,1,0"),
        ("both", "classes", "--scale 255 --classes=9,8,7,6,5,4,3,2,1,0"),
    ],
)
def test_the_option_that_is_named_puts_it_right(
    own: Path, capsys: Capture, model: str, kind: str, option: str
) -> None:
    said, row = run(capsys, model)
    assert kind in row["suspect"].split(";")
    assert option in said
    assert row["clean_acc"] < 0.5
    assert f"first look: {row['suspect'].replace(';', ', ')}" in Path("reports/digits.html").read_text()
    forget_rows()
    said, row = run(capsys, model, *option.split())
    assert (row["suspect"], "would apply" in said) == ("", False)
    assert row["clean_acc"] > 0.9


@pytest.mark.parametrize(
    ("command", "page"),
    [
        (("clever", "--batches", 5, "--samples", 4), "digits-clever.html"),
        (("spatial", "--rotate", 30, "--turns", 0, "--grid", "none", "--draws", 2), "digits-spatial.html"),
        (("mip", "--draws", 2, "--grid", 4), "digits-mip.html"),
        (("theory",), "theory-digits.html"),
    ],
)
def test_every_page_says_what_the_first_look_found(
    own: Path, capsys: Capture, command: tuple[Any, ...], page: str
) -> None:
    models = ("--model", "own.py:bytes_", "--model", "own.py:sound")
    workers = () if command == ("theory",) else ("--workers", 1)
    answer = call(capsys, *command, *models, "--n", 4, *workers)
    assert answer.code == 0, answer.err
    text = (Path("reports") / page).read_text().replace("<wbr>", "")
    assert re.search("bytes_<small>first look: preparation[a-z, ]*</small>", text)
    assert "sound<small>first look" not in text


def test_the_same_model_prepared_otherwise_is_another_model(own: Path, capsys: Capture) -> None:
    run(capsys, "bytes_")
    run(capsys, "bytes_", "--scale", 255)
    assert len({row["weights"] for row in read(Path("leaderboard.csv"))}) == 2


def test_more_outputs_than_classes_work_where_the_classes_are_told(own: Path, capsys: Capture) -> None:
    answer = call(capsys, "run", "--model", "own.py:wide", *RUN)
    assert answer.code == 2
    assert "say with --classes which output stands for each class" in answer.err
    Path("outputs.txt").write_text("\n".join(map(str, range(5, 15))))
    _, row = run(capsys, "wide", "--classes", "outputs.txt")
    assert row["clean_acc"] > 0.9


NAMED = """
import torch
from torch import nn
class Named(nn.Module):
    \"\"\"Tells dark images from light ones by their mean, with three outputs: light, blue sky, dark.\"\"\"
    def forward(self, x):
        mean = x.mean((1, 2, 3))
        return torch.stack([2 * mean, 0 * mean - 1, 2 - 2 * mean], 1)
def named(): return Named()
"""


def weights_of(capsys: Capture, *words: Any) -> str:
    answer = call(capsys, "run", "--dataset", "folder:shades", "--model", "named.py:named", *RUN, *words)
    assert answer.code == 0, answer.err
    row = read(Path("leaderboard.csv"))[-1]
    assert (row["clean_acc"], row["suspect"]) == (1.0, "")
    return row["weights"]


def test_classes_by_name_are_those_by_number(own: Path, capsys: Capture) -> None:
    write_images(own / "shades", 20)
    Path("named.py").write_text(NAMED)
    Path("names.txt").write_text("light\nblue sky\n\ndark\n", encoding="utf-8")
    by_number = weights_of(capsys, "--classes", "2,0")
    assert weights_of(capsys, "--classes", "light, blue sky ,dark") == by_number
    assert weights_of(capsys, "--classes", "names.txt") == by_number


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (
            ("Light", "darkk", "sky"),
            "--classes names no output 'dark', a class of the data; nearest: darkk; give",
        ),
        (("dark", "light", "light"), "--classes names 2 outputs 'light', a class of the data"),
    ],
)
def test_names_that_are_missing_or_doubled_are_refused(names: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        output_numbers(names, ("dark", "light"))


def test_a_model_at_chance_is_not_believable(own: Path, capsys: Capture) -> None:
    answer = call(
        capsys, "audit", "--model", "own.py:random", "--n", 40, "--eps", "0.1", "--workers", 1, "--json"
    )
    assert "accuracy is at or near chance" in answer.err
    assert '"verdict": "not_believable"' in answer.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--mean", "0.5,0.5"),
            "--mean has 2 values, but the images of digits (the default data set) have 1 channel",
        ),
        (("--mean", "x"), "--mean is 'x'"),
        (("--std", "0"), "--std has a 0"),
        (("--bgr",), "--bgr reverses red, green and blue, but the images of digits (the default"),
        (("--classes", "1,2"), "--classes names 2 different outputs, but the data have 10 classes"),
        (
            ("--classes", "a,b"),
            "--classes names no output '0', a class of the data; known: a, b; give the names",
        ),
        (("--classes", "outputs.txt"), "--classes is 'outputs.txt', which is neither a file nor a list"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    own: Path, capsys: Capture, words: tuple[str, ...], said: str
) -> None:
    answer = call(capsys, "run", "--model", "own.py:sound", *RUN, *words)
    assert (answer.code, said in answer.err) == (2, True), answer.err


def test_the_zoo_takes_no_preparation(own: Path, capsys: Capture) -> None:
    answer = call(capsys, "run", "--model", "baseline_cnn_4", *RUN, "--scale", 255)
    assert answer.code == 2
    assert "are for one's own models" in answer.err
