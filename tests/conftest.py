"""Types and shapes are checked while tests run; one thread for every test.

Small batches gain nothing from more threads, and lose much where cores are shared.
"""

from __future__ import annotations

from pathlib import Path

import hypothesis
import jaxtyping
import pytest
import torch

# No test is timed: how long an example takes depends on what else the machine does.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

# An int passes for a float, as in PEP 484. Two things stay unchecked: the worker processes that tests start, and
# names imported for type checkers only. Those are results in bench/report, and the tensors that zoo.data gives:
# they are checked where they are taken.
jaxtyping.install_import_hook(
    ["bench", "zoo"], "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
)


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """A leaderboard of two models."""
    from bench.leaderboard import merge, rows
    from tests.factory import make_results

    path = tmp_path / "leaderboard.csv"
    merge(path, rows(make_results(models=("a", "b"), n=50)))
    return path
