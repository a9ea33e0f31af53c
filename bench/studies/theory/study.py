"""``bench theory``: the paper's theory as numbers, for each model."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.engine.store import Store
from bench.studies.shared.cell_study import CellStudy
from bench.studies.shared.options import model_ask
from bench.studies.theory.arguments import add_options
from bench.studies.theory.cells import TheorySetting
from bench.studies.theory.evaluation import TheoryEvaluation, collect_theory, expected_seconds, prepare_theory
from bench.studies.theory.results import TheoryResults


class TheoryStudy(CellStudy[TheorySetting, TheoryResults]):
    """The paper's lemmas and theorems on trained weights."""

    name = "theory"
    at_most = False
    collected = staticmethod(collect_theory)

    def options(self, parser: ArgumentParser) -> None:
        add_options(parser)

    def prepare(self, options: Namespace) -> TheoryEvaluation:
        return prepare_theory(model_ask(options))

    @staticmethod
    def read_setting(fields: Mapping[str, Any]) -> TheorySetting:
        return TheorySetting(**fields)

    def seconds(self, ready: TheoryEvaluation, store: Store) -> float:
        return expected_seconds(ready, store)

    def write(self, results: TheoryResults, others: Sequence[TheoryResults], out: Path) -> Path:
        from bench.studies.theory.page import write_theory_page

        return write_theory_page(results, out)

    def as_json(self, results: TheoryResults) -> list[dict[str, Any]]:
        names = ("id", "where", "statement", "measured", "verdict", "why")
        return [{name: str(getattr(claim, name)) for name in names} for claim in results.claims]

    def show(self, results: TheoryResults) -> None:
        from bench.studies.theory.screen import claims_table

        claims_table(results)


STUDY = TheoryStudy()
