"""Images of a few of ImageNet's classes, and models with an output for each of the 1,000."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.own import Answer, call
from zoo import notes
from zoo.imagenet import wnids

Capture = pytest.CaptureFixture[str]
KINDS = (wnids()[7], wnids()[400])  # dark and light
MODEL = """
import torch
from torch import nn

class Net(nn.Module):
    '''Output 7 for dark images, 400 for light ones, and 0, another class, for grey ones.'''
    def __init__(self, outputs):
        super().__init__()
        self.outputs = nn.Parameter(torch.zeros(outputs))
    def forward(self, x):
        mean = x.mean((1, 2, 3))[:, None]
        logits = self.outputs.expand(len(x), -1).clone()
        places = [0, 7, 400] if len(self.outputs) > 400 else [0, 1, 1]
        values = torch.cat([0.3 - (mean - 0.5).abs(), 0.5 - mean, mean - 0.5], 1)
        return logits.index_add(1, torch.tensor(places), values)

def all_(): return Net(1000)
def two(): return Net(2)
def few(): return Net(60)
"""


@pytest.fixture
def photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten pictures of each of two classes; some of the dark ones are grey."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(notes, "_said", {})
    Path("own.py").write_text(MODEL)
    for name, levels in zip(KINDS, ((20, 110), (230, 230)), strict=True):
        folder = tmp_path / "set" / "val" / name
        folder.mkdir(parents=True)
        for number in range(10):
            Image.fromarray(np.full((9, 12, 3), levels[number % 2], np.uint8)).save(folder / f"{number}.png")
    return tmp_path / "set"


def run(capsys: Capture, model: str, dataset: str, *words: Any) -> Answer:
    options = ("--attacks", "fgsm", "--eps", "1/255", "--n", 20, "--workers", 1, "--json", "--input-size", 8)
    return call(capsys, "run", "--model", f"own.py:{model}", "--dataset", dataset, *options, *words)


def clean(answer: Answer) -> float:
    assert answer.code == 0, answer.err
    return json.loads(answer.out)[0]["clean_acc"]


def test_outputs_are_those_of_the_datas_wordnet_numbers(photographs: Path, capsys: Capture) -> None:
    answer = run(capsys, "all_", f"folder:{photographs}")
    assert clean(answer) == 1  # grey ones are rather dark than light, and no other class is open to them
    assert "own:all_: 2 of its 1000 outputs are compared" in answer.err
    names = Path("names.txt")
    names.write_text("\n".join(wnids()))
    by_name = run(capsys, "all_", f"folder:{photographs}", "--classes", names)
    assert clean(by_name) == 1
    assert "outputs are compared" not in by_name.err
    first, second = (json.loads(each.out)[0]["weights"] for each in (answer, by_name))
    assert first == second


def test_imagenets_own_road_compares_all_outputs(photographs: Path, capsys: Capture) -> None:
    answer = run(capsys, "all_", f"imagenet:{photographs}", "--resize", 8)
    assert clean(answer) == 0.75
    assert "outputs are compared" not in answer.err


def test_a_model_of_the_datas_classes_alone_stays_as_it_is(photographs: Path, capsys: Capture) -> None:
    answer = run(capsys, "two", f"folder:{photographs}")
    assert answer.code == 0
    assert "outputs are compared" not in answer.err


def test_another_number_of_outputs_is_refused(photographs: Path, capsys: Capture) -> None:
    answer = run(capsys, "few", f"folder:{photographs}")
    assert answer.code == 2
    assert "say with --classes which output stands for each class of the data" in answer.err
    answer = run(capsys, "two", f"imagenet:{photographs}", "--resize", 8)
    assert answer.code == 2
    assert "it must give (20, 1000)" in answer.err
