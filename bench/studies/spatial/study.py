"""``bench spatial``: accuracy under rotations and translations."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.engine.store import Store
from bench.leaderboard import file as leaderboard
from bench.studies.shared.cell_study import CellStudy
from bench.studies.shared.options import model_ask
from bench.studies.spatial.arguments import add_options
from bench.studies.spatial.evaluation import (
    SpatialEvaluation,
    collect_spatial,
    most_seconds,
    prepare_spatial,
    read_setting,
)
from bench.studies.spatial.results import SpatialResults
from bench.studies.spatial.rows import json_rows, spatial_rows
from bench.studies.spatial.setting import Options, SpatialSetting, parse_grid, parse_levels


class SpatialStudy(CellStudy[SpatialSetting, SpatialResults]):
    """Accuracy under rotations and translations."""

    name = "spatial"
    has_rows = True
    collected = staticmethod(collect_spatial)
    read_setting = staticmethod(read_setting)

    def options(self, parser: ArgumentParser) -> None:
        add_options(parser)

    def prepare(self, options: Namespace) -> SpatialEvaluation:
        chosen = Options(
            rotations=parse_levels(options.rotate, "--rotate"),
            translations=parse_levels(options.translate, "--translate"),
            draws=options.draws,
            grid=parse_grid(options.grid),
            turns=options.turns,
            interpolation=options.interpolation,
            fill=options.fill,
        )
        return prepare_spatial(model_ask(options), chosen)

    def seconds(self, ready: SpatialEvaluation, store: Store) -> float:
        return most_seconds(ready, store)

    def publish(self, table: Path, store: Store, results: SpatialResults) -> tuple[SpatialResults, int]:
        rows = spatial_rows(results)
        leaderboard.merge(table, rows)
        return results, len(rows)

    def write(self, results: SpatialResults, others: Sequence[SpatialResults], out: Path) -> Path:
        from bench.studies.spatial.page import write_spatial_page

        return write_spatial_page(results, others, out)

    def as_json(self, results: SpatialResults) -> list[dict[str, Any]]:
        return json_rows(results)

    def show(self, results: SpatialResults) -> None:
        from bench.studies.spatial.screen import spatial_table

        if results.models:
            spatial_table(results)


STUDY = SpatialStudy()
