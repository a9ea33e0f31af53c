"""Cells whose images do not fit in memory together: halves, as a run in batches of that size measures them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import bench
from bench.commands.cli import main
from bench.engine.kind import Kind, Subject, kind_of
from bench.engine.splitting import TOGETHER, measured, smallest_part
from bench.leaderboard import file as leaderboard
from bench.studies.robustness.results import Results
from tests.toys import attack_cell, clean_cell, linear_problem

MODEL, X, Y, RADIUS = linear_problem(24)
FAULTS = {
    "GPU": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    "CPU": RuntimeError(
        "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"
    ),
}


class Small(nn.Module):
    """The toy model where memory has room for so many images."""

    def __init__(self, most: int, fault: str = "GPU") -> None:
        super().__init__()
        self.model, self.most, self.fault = MODEL, most, fault
        self.seen: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(len(x))
        if len(x) > self.most:
            raise FAULTS[self.fault]
        return self.model(x)


def evaluated(model: nn.Module, **options: Any) -> Results:
    return bench.evaluate(
        model, X, Y, **({"attacks": "fgsm,pgd", "eps": "0.002,0.01", "steps": 2} | options), independent=True
    )


def outcomes(results: Results) -> list[np.ndarray]:
    (model,) = results.models
    return [
        model.clean.margin,
        *(curve.distance for curve in model.curves),
        *(c.standing for c in model.curves),
    ]


@pytest.mark.parametrize(("most", "size", "fault"), [(12, 12, "GPU"), (11, 6, "CPU"), (1, 1, "GPU")])
def test_a_split_cell_gives_what_a_smaller_batch_gives(most: int, size: int, fault: str) -> None:
    model = Small(most, fault)
    split, small = evaluated(model), evaluated(MODEL, batch=size)
    for one, other in zip(outcomes(split), outcomes(small), strict=True):
        assert np.array_equal(one, other, equal_nan=True)
    assert {row["split"] for row in bench.leaderboard_rows(split)} == {size}
    assert {row["batch"] for row in bench.leaderboard_rows(split)} == {100}
    assert {row["split"] for row in bench.leaderboard_rows(small)} == {None}


def test_without_random_draws_a_split_changes_no_outcome() -> None:
    whole, split = evaluated(MODEL, random_start=False), evaluated(Small(7), random_start=False)
    (one,), (other,) = whole.models, split.models
    for before, after in zip(one.curves, other.curves, strict=True):
        assert np.array_equal(before.standing, after.standing)
        assert before.gradients == after.gradients
    assert np.array_equal(other.worst(), np.stack([RADIUS.numpy() > eps for eps in (0.002, 0.01)]))


def test_the_kept_images_are_those_of_the_whole_cell() -> None:
    cell = clean_cell(count=24)
    whole, split = (
        measured(kind_of(cell), cell, Subject(model=each, raw=lambda: MODEL, x=X, y=Y, standing=None))
        for each in (MODEL, Small(5))
    )
    assert set(split.arrays) == {*whole.arrays, TOGETHER}
    assert np.array_equal(split.arrays["image_index"], np.arange(16))
    assert np.array_equal(split.arrays["image"], whole.arrays["image"])
    assert split.arrays[TOGETHER].tolist() == [3] * 24
    assert (smallest_part([whole]), smallest_part([whole, split])) == (None, 3)


def test_one_image_that_does_not_fit_fails_in_a_sentence() -> None:
    cell = attack_cell(count=24)
    subject = Subject(model=Small(0), raw=lambda: MODEL, x=X, y=Y, standing=np.ones(24, dtype=bool))
    with pytest.raises(bench.CellError, match=r"one image of shape \(1, 8, 8\) does not fit into memory"):
        measured(kind_of(cell), cell, subject)


@pytest.mark.parametrize("fault", [ValueError("shape"), RuntimeError("mat1 and mat2 cannot be multiplied")])
def test_other_faults_split_nothing(fault: Exception) -> None:
    calls = []

    def measure(cell: Any, subject: Any) -> Any:
        calls.append(cell.count)
        raise fault

    cell = clean_cell(count=24)
    subject = Subject(model=MODEL, raw=lambda: MODEL, x=X, y=Y, standing=None)
    with pytest.raises(type(fault)):
        measured(Kind(measure=measure, divisible=True), cell, subject)
    assert calls == [24]


SOURCE = """
import torch
from torch import nn

class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(256, 10)

    def forward(self, x):
        if len(x) > 12:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return self.layer(x.flatten(1))

def net():
    torch.manual_seed(0)
    return Small()
"""


def test_a_command_notes_it_in_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(SOURCE)
    words = ["--model", "own.py:net", "--n", "20", "--workers", "1", "--json"]
    assert main(["run", *words, "--attacks", "fgsm,pgd", "--steps", "2", "--eps", "0.05"]) == 0
    assert (
        main(["spatial", *words, "--rotate", "30", "--translate", "none", "--draws", "1", "--turns", "0"])
        == 0
    )
    rows = leaderboard.read(Path("leaderboard.csv"))
    assert {row["attack"]: (row["batch"], row["split"]) for row in rows} == {
        "fgsm": (100, 10),
        "pgd": (100, 10),
        "worst(fgsm,pgd)": (100, 10),
        "rotate": (100, 10),
        "spatial_worst": (100, 10),
    }
