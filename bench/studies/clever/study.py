"""``bench clever``: CLEVER scores with verified upper bounds."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.engine.store import Store
from bench.leaderboard import file as leaderboard
from bench.studies.clever.arguments import add_options
from bench.studies.clever.collect import collect_clever, read_setting
from bench.studies.clever.evaluation import CleverEvaluation, expected_seconds, prepare_clever
from bench.studies.clever.results import CleverResults, CleverSetting
from bench.studies.clever.rows import clever_rows, image_rows
from bench.studies.shared.cell_study import CellStudy
from bench.studies.shared.options import model_ask

OPTIONS = ("engine", "norm", "radius", "preset", "batches", "samples", "pool_factor", "targets")


class CleverStudy(CellStudy[CleverSetting, CleverResults]):
    """CLEVER scores."""

    name = "clever"
    at_most = False
    has_rows = True
    collected = staticmethod(collect_clever)
    read_setting = staticmethod(read_setting)

    def options(self, parser: ArgumentParser) -> None:
        add_options(parser)

    def prepare(self, options: Namespace) -> CleverEvaluation:
        return prepare_clever(model_ask(options), {name: getattr(options, name) for name in OPTIONS})

    def seconds(self, ready: CleverEvaluation, store: Store) -> float:
        return expected_seconds(ready, store)

    def publish(self, table: Path, store: Store, results: CleverResults) -> tuple[CleverResults, int]:
        leaderboard.merge(table, clever_rows(results))
        return results, len(results.models)

    def history(self, store: Store, dataset: str | None = None) -> list[CleverResults]:
        return [each for each in super().history(store, dataset) if each.models]

    def write(self, results: CleverResults, others: Sequence[CleverResults], out: Path) -> Path:
        from bench.studies.clever.page import write_clever_page

        return write_clever_page(results, others, out)

    def as_json(self, results: CleverResults) -> list[dict[str, Any]]:
        return image_rows(results)

    def show(self, results: CleverResults) -> None:
        from bench.studies.clever.screen import clever_table

        if results.models:
            clever_table(results)


STUDY = CleverStudy()
