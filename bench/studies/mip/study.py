"""``bench mip``: how many random pixel values can be removed before the class changes."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.engine.store import Store
from bench.studies.mip.arguments import add_options
from bench.studies.mip.cells import MipSetting
from bench.studies.mip.evaluation import MipEvaluation, collect_mip, most_seconds, prepare_mip
from bench.studies.mip.results import MipResults
from bench.studies.shared.cell_study import CellStudy
from bench.studies.shared.options import model_ask


class MipStudy(CellStudy[MipSetting, MipResults]):
    """Maximum invariant perturbations."""

    name = "mip"
    collected = staticmethod(collect_mip)

    def options(self, parser: ArgumentParser) -> None:
        add_options(parser)

    def prepare(self, options: Namespace) -> MipEvaluation:
        return prepare_mip(model_ask(options), draws=options.draws, grid=options.grid, fill=options.fill)

    @staticmethod
    def read_setting(fields: Mapping[str, Any]) -> MipSetting:
        return MipSetting(**fields)

    def seconds(self, ready: MipEvaluation, store: Store) -> float:
        return most_seconds(ready, store)

    def write(self, results: MipResults, others: Sequence[MipResults], out: Path) -> Path:
        from bench.studies.mip.page import write_mip_page

        return write_mip_page(results, others, out)

    def as_json(self, results: MipResults) -> list[dict[str, Any]]:
        from bench.studies.mip.screen import json_row

        return [json_row(results, model) for model in results.models]

    def show(self, results: MipResults) -> None:
        from bench.studies.mip.screen import removal_table

        if results.models:
            removal_table(results)


STUDY = MipStudy()
