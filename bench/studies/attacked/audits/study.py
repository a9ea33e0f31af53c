"""``bench audit``: may the numbers of these models be believed?"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.engine.driver import Failure
from bench.engine.lane import Lane
from bench.engine.loaded import Loaded
from bench.engine.store import Store
from bench.engine.study import Batch, Study
from bench.errors import UsageError
from bench.leaderboard import file as leaderboard
from bench.studies.attacked.audits.arguments import add_options
from bench.studies.attacked.drawing import write_page
from bench.studies.audit import to_json
from bench.studies.audit.collect import AuditResults, audit_history, verdicts
from bench.studies.audit.evaluation import (
    AuditEvaluation,
    audit_batches,
    audit_record,
    collected,
    planned_lanes,
    prepare_audit,
)
from bench.studies.audit.plan import AUDITED
from bench.studies.robustness.estimate import seconds_of
from bench.studies.robustness.history import chapters
from bench.studies.shared.options import model_ask, names


@dataclass(frozen=True, slots=True, eq=False)
class AuditRun:
    """An audit that can be run."""

    audit: AuditEvaluation

    @property
    def loaded(self) -> Loaded:
        return self.audit.evaluation.loaded

    @property
    def device(self) -> str:
        return self.audit.evaluation.device

    @property
    def dataset(self) -> str:
        return self.audit.setting.base.dataset


class AuditStudy(Study[AuditRun, AuditResults]):
    """Audits, which mark rows and are shown on the data set's page."""

    name = "audit"
    has_rows = True

    def options(self, parser: ArgumentParser) -> None:
        add_options(parser)

    def prepare(self, options: Namespace) -> AuditRun:
        if options.norm not in AUDITED:
            raise UsageError(
                f"--norm is {options.norm}, but only norms {', '.join(AUDITED)} are audited; "
                f"bench run --norm {options.norm} attacks without an audit"
            )
        eps = names(options.eps) if options.eps is not None else None
        ask = replace(model_ask(options), eps=eps, norm=options.norm)
        return AuditRun(prepare_audit(ask, options.audit))

    def lanes(self, ready: AuditRun) -> Sequence[Lane]:
        return planned_lanes(ready.audit)

    def seconds(self, ready: AuditRun, store: Store) -> float:
        return seconds_of(ready.audit.evaluation, planned_lanes(ready.audit), store)

    def records(self, ready: AuditRun) -> Sequence[dict[str, Any]]:
        return [audit_record(ready.audit)]

    def batches(self, ready: AuditRun, store: Store) -> Iterator[Batch]:
        yield from audit_batches(ready.audit, store)
        if all(chapter.released for chapter in chapters(store, ready.dataset)):
            # without a sound run no page can show the audit; the evaluation under audit makes one
            base = replace(ready.audit.evaluation, setting=ready.audit.setting.base)
            store.put_run(base.manifest())
            yield Batch(planned=(base,), lanes=base.lanes)

    def collect(self, ready: AuditRun, store: Store, failures: Sequence[Failure]) -> AuditResults:
        return collected(ready.audit, store)

    def publish(self, table: Path, store: Store, results: AuditResults) -> tuple[AuditResults, int]:
        leaderboard.mark(table, verdicts(audit_history(store)))
        return results, 0

    def datasets(self, store: Store) -> Iterable[str]:
        return ()  # its page is that of bench run

    def page(self, store: Store, dataset: str, out: Path, results: AuditResults | None = None) -> Path | None:
        return write_page(store, dataset, out, [], audit_history(store))

    def as_json(self, results: AuditResults) -> list[dict[str, Any]]:
        return [to_json(each) for each in results.audits]

    def show(self, results: AuditResults) -> None:
        from bench.studies.audit.screen import audit_table

        audit_table(results)


STUDY = AuditStudy()
