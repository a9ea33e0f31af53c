"""``bench reproduce``: the paper's tables, figures and claims beside what is measured here."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.engine.driver import Failure
from bench.engine.lane import Lane
from bench.engine.store import Store
from bench.engine.study import Batch, Study
from bench.leaderboard import file as leaderboard
from bench.studies.audit.collect import audit_history, verdicts
from bench.studies.mip.study import STUDY as MIP
from bench.studies.paper import SECTIONS, Reproduction
from bench.studies.paper.arguments import add_options
from bench.studies.paper.collect import collect_reproduction, reproductions
from bench.studies.paper.plan import SIZES, Plan, plan
from bench.studies.paper.sections import DATASETS, needed, remedy
from bench.studies.robustness.estimate import seconds_left
from bench.studies.robustness.evaluation import outcome_of
from bench.studies.robustness.results import Results
from bench.studies.robustness.rows import outcomes, rows
from bench.studies.shared.options import command_for_terminal, data_ask, shown_data


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The result: the reproduction, and the results for rows."""

    reproduction: Reproduction
    results: tuple[Results, ...]


class PaperStudy(Study[Plan, Found]):
    """A published paper's numbers and claims."""

    name = "reproduce"
    has_rows = True
    in_parts = True

    def options(self, parser: ArgumentParser) -> None:
        add_options(parser)

    def prepare(self, options: Namespace) -> Plan:
        return plan(
            data_ask(options),
            _sections(options),
            budget=options.budget,
            options=shown_data(options),
            sizes=SIZES[options.budget],
        )

    def notes(self, ready: Plan, options: Namespace) -> Iterable[str]:
        for section in ready.elsewhere:
            dataset = needed(section).datasets[0]
            yield (
                f"{SECTIONS[section].title} is about {DATASETS[dataset]}: not measured here; "
                f"{command_for_terminal(remedy([section], dataset), options)}"
            )
        for name, command in ready.page["missing"].items():
            yield f"{name} has no weights for these images and is left out; {command_for_terminal(command, options)}"

    def lanes(self, ready: Plan) -> Sequence[Lane]:
        return ready.lanes

    def seconds(self, ready: Plan, store: Store) -> float:
        total = sum(seconds_left(evaluation, store) for evaluation in ready.evaluations)
        return total + (MIP.seconds(ready.removal, store) if ready.removal else 0.0)

    def records(self, ready: Plan) -> Sequence[dict[str, Any]]:
        runs = [each.manifest() for each in ready.evaluations]
        removal = MIP.records(ready.removal) if ready.removal else []
        return [*reversed(runs), *removal, ready.manifest()]

    def batches(self, ready: Plan, store: Store) -> Iterator[Batch]:
        for part in (ready.sound, ready.released, ready.corrupted):
            if part:
                yield Batch(planned=part, lanes=[lane for each in part for lane in each.lanes])
        if ready.removal:
            yield from MIP.batches(ready.removal, store)

    def collect(self, ready: Plan, store: Store, failures: Sequence[Failure]) -> Found:
        found = [outcome_of(each, store, failures) for each in ready.evaluations]
        reproduction = collect_reproduction(store, ready.manifest(), [str(each) for each in failures])
        return Found(reproduction, tuple(results for each in found for results in each.results))

    def publish(self, table: Path, store: Store, results: Found) -> tuple[Found, int]:
        marks, count = verdicts(audit_history(store)), 0
        for n in dict.fromkeys(each.setting.n for each in results.results):
            alike = [each for each in results.results if each.setting.n == n]
            known = {key: value for each in alike for key, value in outcomes(each).items()}
            fresh = leaderboard.merge(table, [row for each in alike for row in rows(each, marks)], known)
            count += len(fresh)
        return results, count

    def datasets(self, store: Store) -> Iterable[str]:
        return reproductions(store)

    def page(self, store: Store, dataset: str, out: Path, results: Found | None = None) -> Path | None:
        from bench.studies.paper.page import write_reproduction

        if results is None:
            run = reproductions(store, dataset).get(dataset)
            return write_reproduction(collect_reproduction(store, run), out) if run else None
        return write_reproduction(results.reproduction, out)

    def as_json(self, results: Found) -> list[dict[str, Any]]:
        from bench.studies.paper.screen import as_json

        return as_json(results.reproduction)

    def show(self, results: Found) -> None:
        from bench.studies.paper.screen import claims_table, numbers_table, sections_table

        numbers_table(results.reproduction)
        sections_table(results.reproduction)
        claims_table(results.reproduction)


def _sections(options: Namespace) -> tuple[str, ...]:
    """Ids of the sections asked for; none for all."""
    if options.all:
        return ()
    return (f"table{options.table}",) if options.table else (f"figure{options.figure}",)


STUDY = PaperStudy()
