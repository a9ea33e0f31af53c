"""Runs the same few cells on any executor: their digests, by key."""

from __future__ import annotations

from collections.abc import Callable

from bench.attacks import parse_requests
from bench.engine.driver import Failure, driver
from bench.engine.executors import Executor
from bench.engine.store import MemoryStore
from bench.inputs.sources import DataSource
from bench.studies.robustness.evaluation import Evaluation, prepare
from bench.studies.shared.ask import Ask


def asked(
    *models: str, n: int = 100, attacks: tuple[str, ...] = ("fgsm", "pgd"), steps: int = 3, **more: object
) -> Evaluation:
    """Models of the zoo or of a file on images of the digits, at two ε, looked at and ready to be measured."""
    requests = parse_requests(attacks, params={"steps": steps})
    data = DataSource(spec="digits")
    return prepare(Ask(models=models, requests=requests, data=data, eps=("0.05", "0.1"), n=n, **more))  # type: ignore


def digests(
    evaluation: Evaluation, executor: Executor, progress: Callable[[int, int], None] | None = None
) -> tuple[dict[str, str], tuple[Failure, ...]]:
    """Digests by key, and the cells that failed; measured from an empty store."""
    store = MemoryStore()
    failures = driver([evaluation], store, executor, progress).run(evaluation.lanes)
    return {key: stored.result.digest for key, stored in store._cells.items()}, failures
