"""What may be asked, and what an import does not do."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.studies.clever import PRESETS, RADII, parse_options

ROOT = Path(__file__).parents[3]
SHAPE = (3, 32, 32)


def test_defaults() -> None:
    options = parse_options(image_shape=SHAPE)
    assert (options.engine, options.norm, options.radius) == ("evt", "l2", RADII["photographs"]["l2"])
    assert (options.batches, options.samples, options.pool_factor) == (50, 20, 10)
    assert options.targets is None
    pool = parse_options(image_shape=SHAPE, engine="batched")
    assert (pool.batches, pool.samples, pool.pool_factor) == (50, 100, 10)
    assert options.gradients == pool.gradients == 1000  # the default engine takes no more than a pool


def test_preset_and_changes_to_it() -> None:
    options = parse_options(image_shape=(1, 16, 16), engine="evt", norm="linf", preset="weng2018", batches=7)
    assert (options.batches, options.samples) == (7, PRESETS["weng2018"][1])
    assert options.radius == RADII["digits"]["linf"]
    assert options.gradients == 7 * 1024
    assert parse_options(image_shape=SHAPE, targets="top-3").targets == 3


@pytest.mark.parametrize(
    "asked",
    [
        {"radius": 0.0},
        {"radius": -1.0},
        {"radius": math.nan},
        {"radius": math.inf},
        {"batches": 0},
        {"samples": 0},
        {"pool_factor": 0},
        {"engine": "batch"},
        {"norm": "l3"},
        {"preset": "slow"},
        {"targets": "3"},
        {"targets": "top-0"},
        {"targets": "top-"},
    ],
    ids=str,
)
def test_errors_name_the_value(asked: dict) -> None:
    with pytest.raises(UsageError) as error:
        parse_options(image_shape=SHAPE, **asked)
    assert str(next(iter(asked.values()))) in str(error.value)


def _python(code: str, home: Path) -> str:
    environment = {**os.environ, "HOME": str(home)}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=environment)
    return done.stdout.strip()


def test_importing_loads_neither_torch_nor_art(tmp_path: Path) -> None:
    heavy = ("torch", "numpy", "scipy", "art")
    code = f"import sys, bench.studies.clever; print([m for m in {heavy} if m in sys.modules])"
    assert _python(code, tmp_path) == "[]"


def test_loading_art_writes_nothing_into_the_home(tmp_path: Path) -> None:
    code = (
        "import os, bench.attacks.art_home as art; home = os.environ['HOME']; art.load_art('art.metrics.metrics');"
        "from art.estimators.classification import PyTorchClassifier; print(home == os.environ['HOME'])"
    )
    assert _python(code, tmp_path) == "True"
    assert list(tmp_path.rglob("*art*")) == []
