"""``bench train FILE.py:FACTORY``: one's own architecture by every recipe, and ``--model`` that finds its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from bench.commands import trainings
from bench.commands.cli import parser
from bench.errors import UsageError
from bench.inputs.sources import find_source
from tests.own import call
from tests.staged import TEST, TRAIN
from zoo import data, registry
from zoo.recipes import RECIPES

Capture = pytest.CaptureFixture[str]
MODELS = """
import torch
from torch import nn

class Net(nn.Module):
    '''Gives its logits in a dictionary, as other people's models do.'''
    def __init__(self, classes=10):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(512, classes)
        )
    def forward(self, x):
        return {"features": x.flatten(1)[:, 0], "logits": self.body((x - 0.5) / 0.5)}

class Large(nn.Linear):
    '''Half precision has steps of 4 between its weights.'''
    def __init__(self):
        super().__init__(256, 10)
        self.weight.data += 4096
    def forward(self, x):
        return nn.functional.linear(x.flatten(1), self.weight - 4096, self.bias)

def net(): return Net()
def three(): return Net(3)
def frozen(): return Net().requires_grad_(False)
def lost(): return Net(WIDTH)
def nan():
    model = Net()
    model.body[4].bias.data.fill_(float("nan"))
    return model
def plain():
    return nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10))
"""
SHORT = ("--epochs", 1, "--threads", 1)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """200 digits of each split, and a file of architectures."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data, "load", lambda spec, split, **_: {"train": TRAIN, "test": TEST}[split])
    Path("own.py").write_text(MODELS)
    return tmp_path


def train(capsys: Capture, *words: Any) -> str:
    answer = call(capsys, "train", *words, *SHORT)
    assert answer.code == 0, answer.err
    return answer.err


def run(capsys: Capture, *words: Any) -> list[dict[str, Any]]:
    options = ("--attacks", "fgsm", "--eps", 0.05, "--n", 100, "--workers", 1, "--json")
    answer = call(capsys, "run", *words, *options)
    assert answer.code == 0, answer.err
    return json.loads(answer.out)


def test_an_own_architecture_is_trained_and_found(capsys: Capture, place: Path) -> None:
    said = train(capsys, "own.py:net", "--recipe", "pgd_at")
    assert "training own:net.pgd_at on digits: 200 images, recipe pgd_at, seed 0" in said
    assert "measure it: bench run --model own.py:net.pgd_at --dataset digits --weights-from weights" in said
    record = registry.find("own:net.pgd_at", "digits", "weights")
    assert (record.name, record.architecture, record.path.name) == (
        "own:net.pgd_at",
        "own:net",
        "own-net.pgd_at.safetensors",
    )
    rows = run(capsys, "--model", "own.py:net.pgd_at")
    assert {(row["model"], row["trained_on"], row["clean_acc"]) for row in rows} == {
        ("own:net.pgd_at", "digits", rows[0]["clean_acc"])
    }
    model = find_source("own.py:net.pgd_at", dataset="digits", weights=None, weights_from=None).build().eval()
    with torch.no_grad():
        right = model(TEST.images(0, 100)).argmax(1) == TEST.targets(0, 100)
    assert rows[0]["clean_acc"] == right.double().mean().item()
    again = call(capsys, "train", "own.py:net", "--recipe", "pgd_at", *SHORT)
    assert "already trained by this recipe; remove it to train again" in again.err


@pytest.mark.parametrize(
    "recipe", [*(each for each in RECIPES if each != "ibp"), "rotate90", "rotate90+pgd_at"]
)
def test_every_recipe_trains_it(recipe: str, capsys: Capture) -> None:
    train(capsys, "own.py:net", "--recipe", recipe)
    found = find_source(f"own.py:net.{recipe}", dataset="digits", weights=None, weights_from="weights/")
    assert (found.kind, found.name, found.trained_on) == ("file", f"own:net.{recipe}", "digits")
    best = registry.records(Path("weights")).get(f"digits/own:net.{recipe}-best")
    if best is not None:
        assert find_source(
            best.name.replace(":", ".py:"), dataset="digits", weights=None, weights_from=None
        ).weights


def test_interval_bounds_train_layers_that_they_know(capsys: Capture) -> None:
    train(capsys, "own.py:plain", "--recipe", "ibp")
    answer = call(capsys, "train", "own.py:net", "--recipe", "ibp", *SHORT)
    assert answer.code == 1
    assert "own:net.ibp failed: no interval bounds are known of a layer Net" in answer.err


def test_weights_that_half_precision_would_change_are_written_in_single(capsys: Capture) -> None:
    assert "single precision" not in train(capsys, "own.py:net")
    assert "predictions, so the weights are in single precision" in train(capsys, "own.py:Large")
    for name, dtype in (("net", torch.float16), ("Large", torch.float32)):
        record = registry.find(f"own:{name}.standard", "digits", "weights")
        weights = safetensors.torch.load(record.path.read_bytes())
        assert {value.dtype for value in weights.values() if value.is_floating_point()} == {dtype}
        source = find_source(f"own.py:{name}.standard", dataset="digits", weights=None, weights_from=None)
        with torch.no_grad():
            right = source.build().eval()(TEST.images(0, 200)).argmax(1) == TEST.targets(0, 200)
        assert record.clean_acc == right.double().mean().item() > 0.2


def test_seeds_differ_and_the_same_one_gives_the_same_bits(capsys: Capture, place: Path) -> None:
    train(capsys, "own.py:net", "--seeds", "0..1")
    records = registry.records(place / "weights")
    assert set(records) == {"digits/own:net.standard", "digits/own:net.standard@1"}
    assert len({record.sha256 for record in records.values()}) == 2
    train(capsys, "own.py:net@1", "--out", "again")
    again = registry.find("own:net.standard@1", "digits", "again")
    assert again.sha256 == records["digits/own:net.standard@1"].sha256
    rows = run(capsys, "--model", "own.py:net.standard,own.py:net.standard@1,baseline_cnn_4")
    assert {row["model"] for row in rows} == {"own:net.standard", "own:net.standard@1", "baseline_cnn_4"}


def test_changed_code_is_trained_anew(capsys: Capture) -> None:
    train(capsys, "own.py:plain")
    Path("own.py").write_text(MODELS.replace("512, 10)", "512, 10, bias=False)"))
    assert "already trained" not in train(capsys, "own.py:plain")
    assert run(capsys, "--model", "own.py:plain.standard")


def test_names_and_seeds_are_those_of_the_zoo() -> None:
    def names(*words: str) -> list[str]:
        options = parser().parse_args(["train", *words])
        return [each.names[0] for each in trainings.asked(trainings.replicas(options), options, 16)]

    assert names("own.py:net.pgd_at@2,a/own.py:net,baseline_cnn") == [
        "own:net.pgd_at@2", "own:net.standard", "baseline_cnn",
    ]  # fmt: skip
    assert names("own.py:net", "--recipe", "cusp", "--seed", "3") == ["own:net.cusp@3"]


TRAINED: dict[str, tuple[tuple[Any, ...], str]] = {
    "no such file": (("nowhere.py:net",), "no model file 'nowhere.py'"),
    "no such factory": (("own.py:nets",), "has no function 'nets'; nearest: net"),
    "no recipe": (("own.py:net.pdg_at",), "unknown recipe 'pdg_at'"),
    "no seed": (("own.py:net@x",), "'own.py:net@x' ends in '@x'; write FILE.py:FACTORY.RECIPE, and @SEED"),
    "other classes": (
        ("own.py:three",),
        "logits of shape (8, 3) for 8 images of 10 classes; it must give (8, 10)",
    ),
    "frozen": (("own.py:frozen",), "has no parameters that require gradients; nothing can be trained"),
    "not finite": (("own.py:nan",), "gives NaN or infinite logits"),
    "a factory that raises": (("own.py:lost",), "the factory of 'own:lost' raised NameError"),
    "width": (("own.py:net", "--width", 2), "--width is of the zoo's models, and own:net is one's own"),
    "two seeds": (("own.py:net@1", "--seed", 2), "'own.py:net@1' says seed 1, --seed 2"),
    "best of none": (("own.py:net.standard-best",), "is the best epoch on held-out images; add --held-out"),
}


@pytest.mark.parametrize("case", TRAINED)
def test_what_cannot_be_trained_is_refused(case: str, capsys: Capture) -> None:
    words, said = TRAINED[case]
    answer = call(capsys, "train", *words, *SHORT)
    assert (answer.code, answer.err.count("\n")) == (2, 1), answer.err
    assert said in answer.err
    assert not list(Path().glob("weights/*/*"))


def test_weights_that_are_not_there_or_damaged_are_refused(capsys: Capture) -> None:
    options = ("--attacks", "fgsm", "--n", 10, "--workers", 1)
    answer = call(capsys, "run", "--model", "own.py:net.pgd_at@1", *options)
    assert answer.code == 2
    assert "train them with `bench train own.py:net --recipe pgd_at --seed 1 --dataset digits`" in answer.err
    train(capsys, "own.py:net")
    path = registry.find("own:net.standard", "digits").path
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    answer = call(capsys, "run", "--model", "own.py:net.standard", *options)
    assert answer.code == 2
    assert "own-net.standard.safetensors is damaged" in answer.err
    with pytest.raises(UsageError, match="names weights by recipe, and --weights a file"):
        find_source("own.py:net.standard", dataset="digits", weights="w.pt", weights_from=None)
