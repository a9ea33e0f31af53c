"""Models that give more than logits, or less: from the command line, from Python, and by themselves."""

from __future__ import annotations

import json
import sys
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

import bench
from bench.errors import UsageError
from bench.inputs.outputs import logits_of
from bench.inputs.own_code import source_files
from tests.own import call

Capture = pytest.CaptureFixture[str]
LOGITS, OTHER, IMAGES = torch.rand(4, 3), torch.rand(4, 3), torch.rand(4, 1, 8, 8)
Pair = namedtuple("Pair", ["logits", "aux"])

GIVEN: dict[str, tuple[Any, str]] = {
    "tensor": (LOGITS, ""),
    "object": (SimpleNamespace(logits=LOGITS, hidden=OTHER), ""),
    "dictionary": ({"logits": LOGITS, "features": OTHER}, ""),
    "dictionary with one": ({"out": LOGITS, "maps": IMAGES, "loss": None}, ""),
    "dictionary by name": ({"a": OTHER, "b": LOGITS}, "b"),
    "tuple with one": ((LOGITS, IMAGES), ""),
    "tuple by place": ((OTHER, LOGITS), "1"),
    "list": ([LOGITS], ""),
    "named tuple": (Pair(LOGITS, OTHER), ""),
    "named tuple by name": (Pair(OTHER, LOGITS), "aux"),
}


@pytest.mark.parametrize("case", GIVEN)
def test_the_logits_are_found(case: str) -> None:
    answer, key = GIVEN[case]
    assert logits_of(answer, 4, key) is LOGITS


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_one_logit_is_that_of_class_1(shape: tuple[int, ...]) -> None:
    z = torch.tensor([-2.0, 0.5, 3.0, -1.0])
    two = logits_of({"z": z.view(shape)} if len(shape) == 2 else z, 4)
    assert two[:, 0].tolist() == [0.0] * 4
    assert torch.allclose(two.softmax(1)[:, 1], z.sigmoid())


@pytest.mark.parametrize(
    ("answer", "key", "said"),
    [
        ((LOGITS, OTHER), "", "a tuple with several tensors that may be the logits; say which with --output 0 or 1"),
        ({"a": LOGITS, "b": OTHER}, "c", "has no tensor 'c' that --output asks for; known: a, b"),
        (LOGITS, "a", "has no tensor 'a' that --output asks for, so leave --output out"),
        ({"map": IMAGES}, "", "a dict without a tensor of logits, which must be (4, classes)"),
        (None, "", "a NoneType without a tensor of logits"),
        ("text", "", "a str without a tensor of logits"),
    ],
)  # fmt: skip
def test_what_holds_no_logits_is_refused(answer: object, key: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        logits_of(answer, 4, key)
    assert said in str(caught.value)


MODELS = """
import warnings
import torch
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(256, 10)
    def forward(self, x):
        return self.layer(x.flatten(1))
class Dictionary(Net):
    def forward(self, x):
        return {"wrong": -super().forward(x), "right": super().forward(x)}
class Answer:
    def __init__(self, logits): self.logits = logits
class Object(Net):
    def forward(self, x): return Answer(super().forward(x))
def net(): return Net()
def dictionary(): return Dictionary()
def object_(): return Object()
def scripted():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(Net())
class Shade(nn.Module):
    def __init__(self, two):
        super().__init__()
        self.two = two
    def forward(self, x):
        z = 8 * (x.mean((1, 2, 3)) - 0.4)
        return torch.stack([0 * z, z], 1) if self.two else z[:, None]
def one(): return Shade(False)
def two(): return Shade(True)
"""
RUN = ("run", "--workers", 1, "--n", 12, "--eps", 0.1, "--json")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bench.studies.attacked.study.write_page", lambda *_: None)
    (tmp_path / "mine.py").write_text(MODELS)
    return tmp_path


def outcomes(capsys: Capture, *words: Any) -> list[tuple[Any, ...]]:
    answer = call(capsys, *RUN, *words)
    assert answer.code == 0, answer.err
    return [(row["attack"], row["clean_right"], row["robust"]) for row in json.loads(answer.out)]


@pytest.mark.parametrize("words", [("dictionary", "--output", "right"), ("object_",), ("scripted",)])
def test_it_is_measured_as_its_logits_are(words: tuple[str, ...], capsys: Capture, place: Path) -> None:
    plain = outcomes(capsys, "--model", "mine.py:net")
    assert outcomes(capsys, "--model", f"mine.py:{words[0]}", *words[1:]) == plain


def test_a_binary_model_of_one_logit_is_measured_as_one_of_two(capsys: Capture, place: Path) -> None:
    from tests.own import write_images

    write_images(place / "shades", 20)
    data = ("--dataset", "folder:shades")
    one, two = (outcomes(capsys, *data, "--model", f"mine.py:{name}") for name in ("one", "two"))
    assert one == two
    assert one[0][1] == 12


@pytest.mark.parametrize(
    "command", [("theory",), ("run", "--protocol", "released:parallel_gcnn", "--workers", 1)]
)
def test_torchscript_goes_through_every_command(
    command: tuple[Any, ...], capsys: Capture, place: Path
) -> None:
    answer = call(capsys, *command, "--model", "mine.py:scripted", "--n", 4)
    assert (answer.code, "failed" in answer.err) == (0, False), answer.err


def test_a_model_in_python_that_gives_a_dictionary() -> None:
    class Dictionary(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(64, 3)

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"out": self.layer(x.flatten(1)), "images": x}

    torch.manual_seed(0)
    model = Dictionary()
    y = model(IMAGES)["out"].argmax(1)
    (row,) = bench.leaderboard_rows(bench.evaluate(model, IMAGES, y, attacks="fgsm", eps=0.1))
    assert row["clean_right"] == 4
    assert isinstance(model(IMAGES), dict)


def test_a_module_that_no_package_was_told_for_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of code that took its own road into ``sys.modules``: ``__package__`` is None, and imports are relative."""
    folder = tmp_path / "loosely"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "parts.py").write_text("WIDTH = 3\n")
    (folder / "net.py").write_text(
        "from torch import nn\nfrom .parts import WIDTH\n"
        "try:\n    from ..above import other\nexcept ImportError:\n    pass\n"
        "class Net(nn.Linear): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import loosely.net  # type: ignore[import-not-found]

    for told in (loosely.net.__package__, None):
        loosely.net.__package__ = told
        loosely.net.__spec__ = loosely.net.__spec__ if told else None
        files = source_files(loosely.net.Net(2, 2))
        assert {"net.py", "parts.py"} <= {file.name for file in files}
    alone = sys.modules["loosely.net"]
    monkeypatch.setattr(alone, "__name__", "alone")
    monkeypatch.setitem(sys.modules, "alone", alone)
    monkeypatch.setattr(loosely.net.Net, "__module__", "alone")
    assert "net.py" in {file.name for file in source_files(loosely.net.Net(2, 2))}
