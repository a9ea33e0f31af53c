"""``bench detect``: attacked images found by disagreement between layers, and an attack that knows the detector."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.engine.store import Store
from bench.studies.detect.arguments import add_options
from bench.studies.detect.cells import DetectSetting
from bench.studies.detect.evaluation import (
    DetectEvaluation,
    collect_detection,
    expected_seconds,
    prepare_detection,
    read_setting,
)
from bench.studies.detect.results import DetectResults
from bench.studies.detect.rows import detection_rows
from bench.studies.shared.cell_study import CellStudy
from bench.studies.shared.options import model_ask

OPTIONS = ("eps", "steps", "calibration", "false_positives")


class DetectStudy(CellStudy[DetectSetting, DetectResults]):
    """Detection."""

    name = "detect"
    at_most = False
    collected = staticmethod(collect_detection)
    read_setting = staticmethod(read_setting)

    def options(self, parser: ArgumentParser) -> None:
        add_options(parser)

    def prepare(self, options: Namespace) -> DetectEvaluation:
        return prepare_detection(model_ask(options), **{name: getattr(options, name) for name in OPTIONS})

    def seconds(self, ready: DetectEvaluation, store: Store) -> float:
        return expected_seconds(ready, store)

    def write(self, results: DetectResults, others: Sequence[DetectResults], out: Path) -> Path:
        from bench.studies.detect.page import write_detect_page

        return write_detect_page(results, others, out)

    def as_json(self, results: DetectResults) -> list[dict[str, Any]]:
        return detection_rows(results)

    def show(self, results: DetectResults) -> None:
        from bench.studies.detect.screen import detection_table

        if results.models:
            detection_table(results)


STUDY = DetectStudy()
