"""``bench run``: models × attacks × ε on one data set; measures only cells that the store lacks."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.engine.driver import Failure
from bench.engine.lane import Lane
from bench.engine.loaded import Loaded
from bench.engine.protocols import released_rules
from bench.engine.store import Store
from bench.engine.study import Batch, Study
from bench.leaderboard.columns import Row
from bench.studies.attacked.arguments import add_options
from bench.studies.attacked.carried import all_verdicts, carried, carry
from bench.studies.attacked.drawing import write_page
from bench.studies.attacked.marking import write_rows
from bench.studies.attacked.requests import asked
from bench.studies.audit.collect import AuditResults, audit_history, verdicts
from bench.studies.audit.evaluation import (
    DEFAULT_N,
    AuditEvaluation,
    audit_batches,
    audit_of,
    audit_record,
    collected,
    planned_lanes,
)
from bench.studies.audit.findings import limit_of
from bench.studies.robustness.corruption_errors import errors_of
from bench.studies.robustness.corruption_run import batches_besides, lanes_besides
from bench.studies.robustness.estimate import seconds_of
from bench.studies.robustness.evaluation import Evaluation, Finished, outcome_of, prepare_each
from bench.studies.robustness.history import chapters
from bench.studies.robustness.results import Results
from bench.studies.robustness.rows import vanished


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class AttackRun:
    """A request of ``bench run`` that can be measured.

    Attributes:
        evaluations: one, or one for each released protocol.
        by_seed: the evaluations once for every seed, their own first.
        audit: of the first evaluation, where one is requested.
        worst_of: as in ``bench.studies.attacked.marking.write_rows``.
    """

    evaluations: tuple[Evaluation, ...]
    by_seed: tuple[tuple[Evaluation, ...], ...]
    audit: AuditEvaluation | None
    worst_of: str

    @property
    def loaded(self) -> Loaded:
        return self.evaluations[0].loaded

    @property
    def device(self) -> str:
        return self.evaluations[0].device

    @property
    def dataset(self) -> str:
        return self.evaluations[0].setting.dataset


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Attacked:
    """The results of ``bench run``.

    Attributes:
        dataset: name of the data set.
        outcomes: of the evaluations with their own seed, then with those that follow.
        own: how many of them have the evaluations' own seed.
        failed: names of failed cells, with the reason.
        audits: of the models, if requested.
        shown: results with the curves of other runs; empty before ``publish``.
        rows: as in the leaderboard.
        marks: verdicts of the audits by (weights, data), after ``publish`` also those that the leaderboard has.
        worst_of: as in ``AttackRun``.
    """

    dataset: str
    outcomes: tuple[Finished, ...]
    own: int
    failed: tuple[str, ...]
    audits: AuditResults | None
    worst_of: str
    shown: tuple[Results, ...] = ()
    rows: tuple[Row, ...] = ()
    marks: Mapping[tuple[str, str], str]


class AttackStudy(Study[AttackRun, Attacked]):
    """Robust accuracy under attacks."""

    name = "run"
    has_rows = True

    def options(self, parser: ArgumentParser) -> None:
        add_options(parser)

    def prepare(self, options: Namespace) -> AttackRun:
        evaluations = prepare_each(asked(options))
        audit = None
        if options.audit:
            (evaluation,) = evaluations
            audit = audit_of(evaluation, options.audit, min(DEFAULT_N, evaluation.setting.n))
        return AttackRun(
            evaluations=evaluations,
            by_seed=tuple(_with_seed(evaluations, i) for i in range(options.seeds or 1)),
            audit=audit,
            worst_of=options.worst_of,
        )

    def lanes(self, ready: AttackRun) -> Sequence[Lane]:
        lanes = [lane for each in ready.by_seed for evaluation in each for lane in evaluation.lanes]
        return [
            *lanes,
            *lanes_besides(ready.evaluations),
            *(planned_lanes(ready.audit) if ready.audit else ()),
        ]

    def seconds(self, ready: AttackRun, store: Store) -> float:
        audit = planned_lanes(ready.audit) if ready.audit else ()  # then there is one evaluation
        return sum(
            seconds_of(own[0], [*(lane for each in own for lane in each.lanes), *audit], store)
            for own in zip(*ready.by_seed, strict=True)
        )

    def records(self, ready: AttackRun) -> Sequence[dict[str, Any]]:
        # the first seed last: the newest run is the one that pages show in full
        runs = [each.manifest() for evaluations in reversed(ready.by_seed) for each in reversed(evaluations)]
        return [*([audit_record(ready.audit)] if ready.audit else []), *runs]

    def batches(self, ready: AttackRun, store: Store) -> Iterator[Batch]:
        for evaluations in reversed(ready.by_seed):
            yield Batch(planned=evaluations, lanes=[lane for each in evaluations for lane in each.lanes])
        yield from batches_besides(ready.evaluations)
        if ready.audit:
            yield from audit_batches(ready.audit, store)

    def collect(self, ready: AttackRun, store: Store, failures: Sequence[Failure]) -> Attacked:
        return Attacked(
            dataset=ready.dataset,
            outcomes=tuple(
                outcome_of(each, store, failures) for evaluations in ready.by_seed for each in evaluations
            ),
            own=len(ready.evaluations),
            failed=tuple(map(str, failures)),
            audits=collected(ready.audit, store) if ready.audit else None,
            worst_of=ready.worst_of,
            marks=verdicts(audit_history(store)),
        )

    def publish(self, table: Path, store: Store, results: Attacked) -> tuple[Attacked, int]:
        found = [each for outcome in results.outcomes for each in outcome.results]
        errors = errors_of(store, results.dataset)
        shown, rows = write_rows(table, store, found, results.marks, results.worst_of, errors)
        carry(store, rows, results.marks)
        marks = all_verdicts(carried(store), results.marks)
        return replace(results, shown=tuple(shown), rows=tuple(rows), marks=marks), len(rows)

    def datasets(self, store: Store) -> Iterable[str]:
        return dict.fromkeys(chapter.setting.dataset for chapter in chapters(store))

    def page(self, store: Store, dataset: str, out: Path, results: Attacked | None = None) -> Path | None:
        if not chapters(store, dataset):
            return None
        return write_page(
            store, dataset, out, results.failed if results else (), audit_history(store, dataset)
        )

    def audited(self, results: Attacked) -> bool:
        if results.audits is not None:
            return True
        models = [
            (model.info.weights, each.setting.data)
            for outcome in results.outcomes
            for each in outcome.results
            for model in each.models
        ]
        return bool(models) and all(results.marks.get(model) for model in models)

    def warnings(self, results: Attacked) -> Iterable[str]:
        if results.audits is None:  # else check C3 reports it
            yield from _vanished(results.outcomes[: results.own])

    def as_json(self, results: Attacked) -> list[dict[str, Any]]:
        return list(results.rows)

    def show(self, results: Attacked) -> None:
        from bench.studies.attacked.screen import ranked_table
        from bench.studies.audit.screen import audit_table

        shown = iter(results.shown)
        for outcome in results.outcomes[: results.own]:
            own = [next(shown) for _ in outcome.results]
            if any(each.models for each in own):
                ranked_table(own[0], results.marks)
        if results.audits is not None:
            audit_table(results.audits)


def _with_seed(evaluations: Sequence[Evaluation], further: int) -> tuple[Evaluation, ...]:
    """The evaluations with ``further`` added to the seed."""
    return tuple(
        replace(each, setting=replace(each.setting, seed=each.setting.seed + further)) for each in evaluations
    )


def _vanished(outcomes: Sequence[Finished]) -> Iterator[str]:
    """The models that hide their gradient on more images than the audit's check C3 lets pass."""
    for results in (each for outcome in outcomes for each in outcome.results):
        if released_rules(results.setting.protocol) is not None:
            continue
        for model in results.models:
            hidden, right = vanished(model.clean), int(model.clean.correct.sum())
            if hidden > limit_of("C3") * right:
                yield (
                    f"{model.info.name}: on {hidden} of {right} images the gradient is exactly 0, so gradient "
                    "attacks cannot move them; run bench audit"
                )


STUDY = AttackStudy()
