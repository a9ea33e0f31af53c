"""The memory of a gradient step on a CPU, and the numbers of workers and batch sizes that follow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import bench
from bench.commands.cli import main
from bench.engine.cpu_memory import WORKER, bytes_an_image, free_bytes, workers_within
from bench.engine.loaded import Loaded
from bench.engine.where import Where
from bench.leaderboard import file as leaderboard
from bench.studies.shared import batch
from tests.toys import linear_problem

IMAGES = np.full((4, 3, 32, 32), 0.5, np.float32)
GB = 10**9


class Steps(nn.Module):
    """So many steps, each of which keeps its result for the backward pass."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(self.steps):
            x = x.tanh()
        return x.flatten(1)[:, :2]


def test_the_bytes_of_a_step_grow_with_what_it_keeps() -> None:
    image = IMAGES[0].nbytes
    ten, twenty = (bytes_an_image(Steps(steps), IMAGES) for steps in (10, 20))
    assert twenty - ten == 10 * image
    assert 10 * image <= ten <= 15 * image


def test_what_a_model_is_made_of_does_not_count() -> None:
    heavy = nn.Sequential(nn.Flatten(), nn.Linear(3072, 2000)).requires_grad_(False)  # 24 MB
    assert bytes_an_image(heavy, IMAGES) < 10 * (IMAGES[0].nbytes + 4 * 2000)


def test_the_callers_random_state_stays_and_faults_are_none() -> None:
    state = torch.get_rng_state()
    assert bytes_an_image(nn.Sequential(nn.Flatten(), nn.Dropout()).train(), IMAGES) > 0
    assert torch.equal(torch.get_rng_state(), state)
    assert bytes_an_image(nn.Linear(3, 3), IMAGES) == 0


@pytest.mark.parametrize(
    ("workers", "step", "free", "fitting"),
    [(8, 0, GB, 8), (8, GB, None, 8), (8, GB, 10 * GB, 4), (2, GB, 10 * GB, 2), (8, 100 * GB, GB, 1)],
)
def test_workers_share_the_free_memory(workers: int, step: int, free: int | None, fitting: int) -> None:
    assert workers_within(workers, step, free) == fitting
    assert fitting in (1, workers) or fitting * (step + WORKER) <= 0.7 * (free or 0)


def test_free_memory_is_less_than_the_machine_has() -> None:
    free = free_bytes()
    if Path("/proc/meminfo").exists():
        total = int(Path("/proc/meminfo").read_text().split()[1]) * 1024
        assert free is not None
        assert 0 < free < total


def test_the_number_of_workers_is_lowered_with_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(batch, "free_bytes", lambda: 10 * GB)
    loaded = Loaded()
    loaded.step_bytes = GB
    assert batch.within_memory(Where(devices=("cpu",) * 8), loaded).devices == ("cpu",) * 4
    assert (
        "4 of 8 workers run: a gradient step takes about 1 GB, and 10 GB are free" in capsys.readouterr().err
    )
    for where in (Where(devices=("cuda:0", "cuda:1")), Where(devices=("cpu",), cluster="local:2")):
        assert batch.within_memory(where, loaded) == where


SOURCE = """
from torch import nn

class Wide(nn.Module):
    def forward(self, x):
        for _ in range(10):
            x = x.tanh()
        return x.flatten(1)[:, :10]

def net():
    return Wide()
"""


def test_a_batch_that_was_not_given_is_lowered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(SOURCE)
    monkeypatch.setattr(
        batch, "free_bytes", lambda: 400_000
    )  # 280 kB may be taken, and an image takes about 13 kB
    words = [
        "run",
        "--model",
        "own.py:net",
        "--n",
        "30",
        "--attacks",
        "fgsm",
        "--eps",
        "0.1",
        "--workers",
        "1",
    ]
    assert main([*words, "--json"]) == 0
    assert "--batch is 16: a gradient step takes about" in capsys.readouterr().err
    (row,) = leaderboard.read(Path("leaderboard.csv"))
    assert row["batch"] == 16
    assert main([*words, "--json", "--batch", "25"]) == 0
    assert {row["batch"] for row in leaderboard.read(Path("leaderboard.csv"))} == {16, 25}
    assert "--batch 16" in (tmp_path / "reports" / "digits.html").read_text()


def test_a_model_from_python_is_measured_in_smaller_batches_too(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x, y, radius = linear_problem(24)
    monkeypatch.setattr(batch, "free_bytes", lambda: 10_000)
    results = bench.evaluate(model, x, y, attacks="fgsm", eps=0.01)
    assert results.setting.batch in (4, 8)
    assert torch.equal(torch.from_numpy(results.models[0].worst()[0]), radius > 0.01)
