"""Images that are not square, or whose side 8 does not divide, in every command that takes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.own import call

Capture = pytest.CaptureFixture[str]
MODEL = """
import torch
from torch import nn

class Net(nn.Module):
    '''Which of three stripes is bright.'''
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(20.0))
    def forward(self, x):
        return self.scale * torch.stack([part.mean((1, 2, 3)) for part in x.tensor_split(3, 3)], 1)

def net(): return Net()
"""
SHAPES = {"28×28": (28, 28), "32×48": (32, 48, 3), "9×8": (9, 8, 1)}


@pytest.fixture(params=[pytest.param("28×28", marks=pytest.mark.slow), "32×48", "9×8"])
def images(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """30 noisy images with a bright stripe."""
    monkeypatch.chdir(tmp_path)
    shape, labels = SHAPES[request.param], np.arange(30) % 3
    pixels = np.random.default_rng(0).integers(80, 120, (30, *shape))
    for image, label in zip(pixels, labels, strict=True):
        np.array_split(image, 3, axis=1)[label][:] += 20
    np.savez("set.npz", x_test=pixels.astype(np.uint8), y_test=labels)
    Path("own.py").write_text(MODEL)
    return f"npz:{tmp_path}/set.npz"  # a relative path would be that of another test to this process


WORDS = ("--model", "own.py:net", "--n", 12, "--workers", 1)


def rows(capsys: Capture, *words: Any, following: str = "") -> list[dict[str, Any]]:
    answer = call(capsys, *words, *WORDS, "--json")
    assert answer.code == 0, answer.err
    assert following in answer.err
    return json.loads(answer.out)


def test_they_are_measured_audited_and_shown(images: str, capsys: Capture) -> None:
    attacks = ("--attacks", "fgsm,pgd,foolbox:pgd,fmn", "--eps", "1/255,64/255")
    audited = ("run", "--dataset", images, *attacks, "--audit", "quick")
    found = rows(capsys, *audited, following="next: bench leaderboard ")
    assert {row["clean_acc"] for row in found} == {1.0}
    by_eps = {(row["attack"], row["library"], row["eps"]): row["robust_acc"] for row in found}
    # a linear margin of 20 levels of 255, of which an attack takes two for each of ε
    assert {value for (attack, _, eps), value in by_eps.items() if eps < 0.01} == {1.0}
    assert {value for (attack, _, eps), value in by_eps.items() if eps > 0.2 and attack != "fgsm"} == {0.0}
    page = Path("reports/set.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") >= 3
    (verdict,) = rows(capsys, "audit", "--dataset", images, "--eps", "8/255")
    assert verdict["verdict"].startswith("believable") or verdict["verdict"] == "upper_bound"


@pytest.mark.parametrize(
    "command", [("mip",), ("clever", "--batches", 2, "--samples", 5), ("spatial", "--draws", 2)]
)
def test_other_commands_take_them(command: tuple[Any, ...], images: str, capsys: Capture) -> None:
    answer = call(capsys, *command, "--dataset", images, *WORDS[:2], "--n", 3, "--workers", 1)
    assert answer.code == 0, answer.err


def test_the_zoo_is_not_trained_on_them(images: str, capsys: Capture) -> None:
    with np.load("set.npz") as file:
        np.savez("set.npz", **file, x_train=file["x_test"], y_train=file["y_test"])
    answer = call(capsys, "train", "baseline_cnn_4", "--dataset", images, "--epochs", 1, "--threads", 1)
    assert answer.code == 1
    assert "the zoo's models take square ones of 16 or more pixels a side, divisible by 8" in answer.err
