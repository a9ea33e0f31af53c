"""``bench invariance``: images of another class, by a proxy, on which a model keeps its answer."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.engine.store import Store
from bench.studies.invariance.arguments import add_options
from bench.studies.invariance.cells import InvarianceSetting
from bench.studies.invariance.evaluation import (
    InvarianceEvaluation,
    collect_invariance,
    expected_seconds,
    prepare_invariance,
    read_setting,
)
from bench.studies.invariance.results import InvarianceResults
from bench.studies.invariance.rows import invariance_rows
from bench.studies.shared.cell_study import CellStudy
from bench.studies.shared.options import model_ask


class InvarianceStudy(CellStudy[InvarianceSetting, InvarianceResults]):
    """Invariance attacks."""

    name = "invariance"
    at_most = False
    collected = staticmethod(collect_invariance)
    read_setting = staticmethod(read_setting)

    def options(self, parser: ArgumentParser) -> None:
        add_options(parser)

    def prepare(self, options: Namespace) -> InvarianceEvaluation:
        return prepare_invariance(model_ask(options), eps=options.eps, candidates=options.candidates)

    def seconds(self, ready: InvarianceEvaluation, store: Store) -> float:
        return expected_seconds(ready, store)

    def write(self, results: InvarianceResults, others: Sequence[InvarianceResults], out: Path) -> Path:
        from bench.studies.invariance.page import write_invariance_page

        return write_invariance_page(results, others, out)

    def as_json(self, results: InvarianceResults) -> list[dict[str, Any]]:
        return invariance_rows(results)

    def show(self, results: InvarianceResults) -> None:
        from bench.studies.invariance.screen import invariance_table

        if results.models:
            invariance_table(results)


STUDY = InvarianceStudy()
