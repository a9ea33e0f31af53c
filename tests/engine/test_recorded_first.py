"""A run is recorded before it is measured: what a killed one had measured can be drawn."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.commands.cli import main
from bench.engine.cell import Cell
from bench.engine.kind import Kind, Subject, kind_of
from bench.engine.result import CellResult

SMALL = ["--n", "2", "--workers", "1"]
# command → its options, and its page
COMMANDS = {
    "run": (["--attacks", "fgsm", "--eps", "0.1"], "digits.html"),
    "mip": (["--draws", "1", "--grid", "2"], "digits-mip.html"),
    "spatial": (["--rotate", "30", "--draws", "1", "--grid", "none", "--turns", "0"], "digits-spatial.html"),
    "clever": (["--batches", "2", "--samples", "4"], "digits-clever.html"),
    "certify": (["--method", "smoothing", "--samples", "100"], "digits-smoothing.html"),
    "detect": (["--steps", "1", "--calibration", "20", "--eps", "0.1"], "digits-detect.html"),
    "invariance": (["--candidates", "1", "--eps", "0.1"], "digits-invariance.html"),
    "theory": ([], "theory-digits.html"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_models_that_a_killed_run_had_measured_stand_on_its_page(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def dying(cell: Cell) -> Kind:
        def measure(cell: Cell, subject: Subject) -> CellResult:
            if cell.model == "parallel_gcnn_4":
                raise KeyboardInterrupt
            return kind.measure(cell, subject)

        kind = kind_of(cell)
        return Kind(measure=measure, deployed=kind.deployed)

    monkeypatch.setattr("bench.engine.loaded.kind_of", dying)
    options, page = COMMANDS[command]
    assert main([command, "--zoo", "baseline_cnn_4,parallel_gcnn_4", *options, *SMALL]) == 130
    assert not list(tmp_path.glob("reports/*.html"))
    assert main(["report"]) == 0
    drawn = {file.name: file for file in tmp_path.glob("reports/*.html")}
    assert sorted(drawn) == sorted(("index.html", page))
    text = drawn[page].read_text("utf-8").replace("<wbr>", "")
    assert "baseline_cnn_4" in text
