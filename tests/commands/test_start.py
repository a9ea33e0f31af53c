"""A command with nothing to measure starts no process and loads nothing that draws, attacks or tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.commands.cli import main

ROOT = Path(__file__).parents[2]
HEAVY = (
    "torchattacks",
    "foolbox",
    "art",
    "scipy",
    "seaborn",
    "matplotlib",
    "sklearn",
    "pandas",
    "jinja2",
    "torchvision",
)
_CODE = f"""
import json, multiprocessing.process as processes, sys
started, start = [], processes.BaseProcess.start
def counted(process):
    started.append(process.name)
    start(process)
processes.BaseProcess.start = counted
if __name__ == "__main__":
    from bench.commands.cli import main
    code = main(sys.argv[1:])
    loaded = [name for name in {HEAVY!r} if name in sys.modules]
    print(json.dumps({{"code": code, "started": len(started), "loaded": loaded}}), file=sys.stderr)
"""


WORDS = ("run", "--attacks", "fgsm,pgd", "--steps", "2", "--eps", "0.02,0.1")
MODEL = ("--model", "baseline_cnn_4", "--n", "20", "--json")


def _run(place: Path, *words: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(place / "counted.py"), *words, *MODEL],
        capture_output=True,
        text=True,
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    return json.loads(done.stderr.splitlines()[-1])


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "counted.py").write_text(_CODE)
    return tmp_path


def _written(place: Path) -> dict[Path, int]:
    """Tables, pages and figures with the time of their last change."""
    kinds = (".html", ".csv", ".png", ".svg")
    return {file: file.stat().st_mtime_ns for file in place.rglob("*") if file.suffix in kinds}


def test_a_second_run_starts_no_worker_and_loads_nothing_heavy(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    assert main([*WORDS, *MODEL, "--workers", "1"]) == 0
    files = _written(place)
    assert len(files) > 4
    assert _run(place, *WORDS, "--workers", "2") == {"code": 0, "started": 0, "loaded": []}
    assert _written(place) == files
    figure = next(file for file in files if file.suffix == ".svg")
    figure.unlink()
    assert main([*WORDS, *MODEL, "--workers", "1"]) == 0
    assert figure.is_file()


@pytest.mark.slow
def test_a_first_run_starts_workers_and_loads_what_it_draws_with(place: Path) -> None:
    """What the test above counts is there to be counted."""
    first = _run(place, *WORDS, "--workers", "2")
    assert first["code"] == 0
    assert first["started"] > 0
    assert {"matplotlib", "seaborn"} <= set(first["loaded"])
    next(file for file in _written(place) if file.suffix == ".svg").unlink()
    assert "matplotlib" in _run(place, *WORDS, "--workers", "2")["loaded"]
