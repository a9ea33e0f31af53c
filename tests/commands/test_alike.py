"""``bench doctor --like``: the versions of a leaderboard's rows against those installed."""

from __future__ import annotations

import json
import re
from importlib import metadata
from pathlib import Path

import pytest

from bench.commands.cli import main
from bench.commands.machine import PACKAGES
from bench.leaderboard.file import read
from tests.factory import write_wide

ROOT = Path(__file__).parents[2]
Capture = pytest.CaptureFixture[str]


def table(path: Path, versions: list[str]) -> Path:
    """The head of the shipped leaderboard with other versions in it."""
    shipped = read(ROOT / "leaderboard.csv")
    write_wide(path, [{**row, "versions": each} for row, each in zip(shipped, versions, strict=False)])
    return path


def test_equal_versions_exit_0(tmp_path: Path, capsys: Capture) -> None:
    path = table(tmp_path / "l.csv", [f"numpy={metadata.version('numpy')};precision=float64"] * 3)
    assert main(["doctor", "--like", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(each["what"], each["status"], each["remedy"]) for each in found] == [
        ("numpy", "ok", ""),
        ("l.csv", "ok", ""),
    ]


def test_other_versions_are_named_with_what_reinstalls_them(tmp_path: Path, capsys: Capture) -> None:
    ours = metadata.version("numpy")
    path = table(tmp_path / "l.csv", [f"numpy={ours}", *["numpy=1.0.0;torch=0.1"] * 2])
    assert main(["doctor", "--like", str(path)]) == 1
    said = capsys.readouterr().out
    assert f"{ours}; the rows have 1.0.0" in said
    assert "2 of 3 rows" in said
    assert "pip install numpy==1.0.0 torch==0.1" in said


@pytest.mark.parametrize("versions", [None, ""])
def test_refusals(versions: str | None, tmp_path: Path, capsys: Capture) -> None:
    if versions is not None:
        table(tmp_path / "l.csv", [versions])
    assert main(["doctor", "--like", str(tmp_path / "l.csv")]) == 2
    assert "l.csv" in capsys.readouterr().err


def test_the_constraints_pin_every_dependency() -> None:
    pinned = set(re.findall(r"^([\w-]+)==[\w.]+$", (ROOT / "constraints.txt").read_text(), re.M))
    assert {name.lower() for name in PACKAGES} <= {name.lower() for name in pinned}
