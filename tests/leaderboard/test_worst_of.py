"""Runs of one model under different attacks: what later ones say of earlier rows, on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file

from bench.commands.cli import main
from bench.leaderboard import file as leaderboard
from tests.commands.test_check import fitted
from tests.own import call, write_models

Capture = pytest.CaptureFixture[str]
RUN = (
    "run",
    "--workers",
    1,
    "--n",
    100,
    "--model",
    "own.py:net",
    "--weights",
    "w.safetensors",
    "--eps",
    0.02,
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A linear model of the digits, measured under a weak PGD."""
    folder = tmp_path_factory.mktemp("worst")
    write_models(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("bench.studies.attacked.study.write_page", lambda *_: None)
        save_file(fitted(), "w.safetensors")
        weak = ("--attacks", "pgd", "--steps", 1, "--alpha", 0.001)
        assert main([str(word) for word in (*RUN, *weak)]) == 0
        yield folder


@pytest.fixture(autouse=True)
def _there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)


def rows_of(capsys: Capture, *words: Any) -> list[dict[str, Any]]:
    return json.loads(call(capsys, *RUN, *words, "--json").out)


def marks() -> dict[tuple[str, Any], tuple[str, str]]:
    found = leaderboard.read(Path("leaderboard.csv"))
    return {(row["attack"], row["steps"]): (row["audit"], row["stronger"]) for row in found}


def test_a_run_alone_has_its_own_worst_case_and_marks_earlier_rows_all_the_same(capsys: Capture) -> None:
    assert marks() == {("pgd", 1): ("", "")}
    (fgsm,) = rows_of(capsys, "--attacks", "fgsm", "--worst-of", "run")
    assert fgsm["attack"] == "fgsm"
    assert marks() == {
        ("pgd", 1): ("upper_bound(rows)", f"{fgsm['robust']} fgsm"),
        ("fgsm", None): ("", ""),
    }


def test_a_run_takes_what_the_store_holds_of_its_ball(capsys: Capture) -> None:
    fgsm, worst = rows_of(capsys, "--attacks", "fgsm")
    (pgd,) = rows_of(capsys, "--attacks", "pgd", "--steps", 1, "--alpha", 0.001, "--worst-of", "run")
    assert worst["attack"] == "worst(fgsm,pgd)"
    assert worst["robust"] <= fgsm["robust"] < pgd["robust"]
    assert pgd["audit"] == "upper_bound(rows)"


def test_report_marks_the_leaderboard(capsys: Capture) -> None:
    rows_of(capsys, "--attacks", "fgsm")
    files = [Path("leaderboard.csv"), Path("reports/results.csv")]
    before = [file.read_text() for file in files]
    for file, text in zip(files, before, strict=True):
        assert "upper_bound(rows)" in text
        file.write_text(text.replace("upper_bound(rows)", ""))
    assert call(capsys, "report").code == 0
    assert [file.read_text() for file in files] == before
