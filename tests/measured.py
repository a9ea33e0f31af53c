"""Runs a study without the command line."""

from __future__ import annotations

from typing import Any

from bench.engine.driver import Failure, driver
from bench.engine.executors import Executor
from bench.engine.store import Store
from bench.engine.study import Study


def measured(
    study: Study[Any, Any], ready: Any, store: Store, executor: Executor
) -> tuple[Any, list[Failure]]:
    """The results of a request, and the failed cells."""
    for record in study.records(ready):
        store.put_run(record)
    failures: list[Failure] = []
    for batch in study.batches(ready, store):
        failures += driver(batch.planned, store, executor).run(batch.lanes)
    return study.collect(ready, store, failures), failures
