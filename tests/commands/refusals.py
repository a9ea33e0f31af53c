"""What the tests of bad input share: an empty place to call commands from, and what a refusal looks like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.leaderboard import file as leaderboard
from tests.own import call

Capture = pytest.CaptureFixture[str]
Words = tuple[Any, ...]

RUN = ("run", "--workers", 1, "--n", 20, "--eps", 0.1, "--attacks", "fgsm")
ZOO = (*RUN, "--model", "baseline_cnn_4")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with a leaderboard in it; measuring itself is forbidden."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("SYMBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("bench.attacks.measure.measure", forbidden)
    leaderboard.merge(tmp_path / "leaderboard.csv", [])
    return tmp_path


def forbidden(*_: Any) -> None:
    raise AssertionError("bad input got as far as measuring")


def refused(capsys: Capture, words: Words, *fragments: str) -> None:
    """The command exits with 2 and one line that holds the fragments; the leaderboard is as it was."""
    table = Path("leaderboard.csv")
    before = table.read_bytes()
    answer = call(capsys, *words)
    said = [line for line in answer.err.splitlines() if line != "a model file may print"]
    assert (answer.code, len(said), answer.out) == (2, 1, ""), answer
    assert said[0].startswith("bench: error: ")
    assert not [fragment for fragment in fragments if fragment not in said[0]], said[0]
    assert table.read_bytes() == before
