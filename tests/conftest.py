"""Types and shapes are checked while tests run; one thread for every test, and freed memory is used again.

Small batches gain nothing from more threads, and lose much where cores are shared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import hypothesis
import jaxtyping
import pytest
import torch

# No test is timed: how long an example takes depends on what else the machine does.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

# An int passes for a float, as in PEP 484. Two things stay unchecked: the worker processes that tests start, and
# names imported for type checkers only. Those are results on the pages, and the tensors that zoo.data gives:
# they are checked where they are taken.
jaxtyping.install_import_hook(
    ["bench", "zoo"], "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
)

import bench.engine.workers  # noqa: E402 (after the hook)
from bench.engine.heap import keep_freed_memory  # noqa: E402
from tests.forked import Forking  # noqa: E402


@pytest.fixture(autouse=True, scope="session")
def _as_commands_run() -> None:
    torch.set_num_threads(1)
    keep_freed_memory()


class _Here(bench.engine.workers.WorkerGroup):
    """A group in the test's own process: what starts no process is quick, and can be looked into."""

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args))
        except BaseException as fault:
            future.set_exception(fault)
        return future


_GROUP = bench.engine.workers.WorkerGroup
bench.engine.workers.WorkerGroup = _Here  # pyright: ignore[reportAttributeAccessIssue]


@pytest.fixture(autouse=True)
def _groups(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Models that are not of the zoo have processes of their own in tests marked ``processes`` only."""
    if request.node.get_closest_marker("processes") is not None:
        monkeypatch.setattr(bench.engine.workers, "WorkerGroup", _GROUP)


@pytest.fixture(scope="session")
def forking() -> Iterator[Forking]:
    """Starts commands that need not import everything first."""
    with Forking() as started:
        yield started


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """A leaderboard of two models."""
    from bench.leaderboard.file import merge
    from bench.studies.robustness.rows import rows
    from tests.factory import make_results

    path = tmp_path / "leaderboard.csv"
    merge(path, rows(make_results(models=("a", "b"), n=50)))
    return path
