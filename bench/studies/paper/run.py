"""The paper's tables and figures measured here: in which order, and how long at most."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.engine.driver import Failure
from bench.engine.executors import Executor
from bench.engine.store import Store
from bench.studies.mip.evaluation import most_seconds, run_mip
from bench.studies.paper.plan import Plan
from bench.studies.robustness.estimate import seconds_left
from bench.studies.robustness.evaluation import run_each
from bench.studies.robustness.results import Results


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """What came out of one part of a plan: results for the leaderboard, and cells that failed."""

    results: tuple[Results, ...]
    failures: tuple[Failure, ...]


def measured(
    of: Plan, store: Store, executor: Executor, progress: Callable[[int, int], None] | None = None
) -> Iterator[Stage]:
    """Runs what the store lacks, part after part: sound, released, corrupted, Figure 5."""
    store.put_run(of.manifest())
    for evaluations in (of.sound, of.released, of.corrupted):
        if evaluations:
            outcomes = run_each(evaluations, store, executor, progress)
            yield Stage(
                tuple(results for outcome in outcomes for results in outcome.results),
                tuple(dict.fromkeys(failure for outcome in outcomes for failure in outcome.failures)),
            )
    if of.removal is not None:
        _, failures = run_mip(of.removal, store, executor, progress)
        yield Stage((), failures)


def seconds_at_most(of: Plan, store: Store) -> float:
    """Seconds of one worker that the missing cells take at most."""
    total = sum(seconds_left(evaluation, store) for evaluation in of.evaluations)
    return total + (most_seconds(of.removal, store) if of.removal else 0.0)
