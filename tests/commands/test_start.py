"""A command with nothing to measure starts no process and loads nothing that draws, attacks or tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

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


def _run(place: Path, *words: str) -> dict[str, Any]:
    done = subprocess.run(
        [
            sys.executable,
            str(place / "counted.py"),
            *words,
            "--model",
            "baseline_cnn_4",
            "--n",
            "20",
            "--json",
        ],
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


def test_a_second_run_starts_no_worker_and_loads_nothing_heavy(place: Path) -> None:
    words = ("run", "--attacks", "fgsm,pgd", "--steps", "2", "--eps", "0.02,0.1", "--workers", "2")
    first = _run(place, *words)
    assert first["code"] == 0
    assert first["started"] > 0
    assert {"matplotlib", "seaborn"} <= set(first["loaded"])
    files = {
        file: file.stat().st_mtime_ns
        for file in place.rglob("*")
        if file.suffix in (".html", ".csv", ".png", ".svg")
    }
    assert len(files) > 4
    assert _run(place, *words) == {"code": 0, "started": 0, "loaded": []}
    assert {file: file.stat().st_mtime_ns for file in files} == files
    figure = next(file for file in files if file.suffix == ".svg")
    figure.unlink()
    assert "matplotlib" in _run(place, *words)["loaded"]
    assert figure.is_file()


def test_a_command_ends_without_a_search_for_cycles() -> None:
    """Python's own, among all objects that were imported, took 1.5 s of CPU time after ``bench run``."""
    end = "import atexit, gc; atexit.register(lambda: print(len(gc.get_objects()), gc.get_freeze_count()))"
    code = f"{end}\nfrom bench.commands.cli import main\nraise SystemExit(main(['list', 'attacks']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    searched, left_out = map(int, done.stdout.splitlines()[-1].split())
    assert searched < 100 < 10_000 < left_out
