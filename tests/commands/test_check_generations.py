"""``bench check`` where a leaderboard has several generations of a model: the newest, the one named, or a question."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from bench.commands.cli import main
from bench.leaderboard.file import read
from tests.own import call, write_models
from tests.stores import stored_runs

Capture = pytest.CaptureFixture[str]
GENERATIONS = ("old", "new")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A model in two generations, measured one after the other into one leaderboard, and a third not yet measured."""
    folder = tmp_path_factory.mktemp("generations")
    write_models(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("bench.studies.attacked.study.write_page", lambda *_: None)
        for i, name in enumerate((*GENERATIONS, "next")):
            generator = torch.Generator().manual_seed(i)
            weights = {
                "layer.weight": torch.randn(10, 256, generator=generator),
                "layer.bias": torch.zeros(10),
            }
            save_file(weights, f"{name}.safetensors")
        for name in GENERATIONS:
            words = ("--weights", f"{name}.safetensors", "--attacks", "fgsm", "--eps", "0.02", "--n", "20")
            assert main(["run", "--model", "own.py:net", "--workers", "1", *words]) == 0
        yield folder


@pytest.fixture(autouse=True)
def _there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)


def weights_of(name: str) -> str:
    """The sha256 in the row of a generation; the rows lie in the order of it, not of time."""
    rows = {row["weights"]: row for row in read(Path("leaderboard.csv"))}
    runs = stored_runs(Path(".symbench"))
    (found,) = {
        model["weights"] for run in runs if f"{name}.safetensors" in run["command"] for model in run["models"]
    } & set(rows)
    return found


def check(capsys: Capture, *words: Any) -> tuple[list[dict[str, Any]], str]:
    model = ("--model", "own.py:net", "--weights", "next.safetensors", "--against", "leaderboard.csv")
    answer = call(capsys, "check", *model, "--workers", 1, "--tolerance", 0.99, "--json", *words)
    return (json.loads(answer.out) if answer.out else []), answer.err


def test_the_newest_generation_is_taken_and_named(capsys: Capture) -> None:
    old, new = map(weights_of, GENERATIONS)
    found, said = check(capsys)
    assert {row["weights_then"] for row in found} == {new}
    assert [row["attack"] for row in found] == ["none", "fgsm"]
    assert f"own:net: compared with weights {new[:8]}, the newest; the file has rows of {old[:8]} too" in said


def test_another_generation_can_be_asked_for(capsys: Capture) -> None:
    old, _ = map(weights_of, GENERATIONS)
    found, said = check(capsys, "--generation", old[:10])
    assert {row["weights_then"] for row in found} == {old}
    assert f"compared with weights {old[:8]}, as asked" in said


def test_a_store_that_cannot_tell_makes_it_ask(capsys: Capture, tmp_path: Path) -> None:
    found, said = check(capsys, "--store", tmp_path / "empty")
    assert found == []
    assert "bench: error: the file has rows of several weights of 'own:net'" in said
    assert all(weights_of(name)[:16] in said for name in GENERATIONS)
    asked, _ = check(capsys, "--store", tmp_path / "empty", "--generation", weights_of("old"))
    assert {row["weights_then"] for row in asked} == {weights_of("old")}


def test_digits_that_no_generation_has_are_refused(capsys: Capture) -> None:
    found, said = check(capsys, "--generation", "xyz")
    assert found == []
    assert "no weights beginning with 'xyz' of 'own:net'" in said
