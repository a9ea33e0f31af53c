"""Detection as rows: those of ``detections.csv`` and of ``--json``."""

from __future__ import annotations

import math
from typing import Any

from bench.leaderboard.columns import version
from bench.numbers.eps import grid_text
from bench.numbers.stats import Share
from bench.studies.detect.results import AtEps, DetectResult, DetectResults

Row = dict[str, Any]
NAME = "detections.csv"
IDENTITY = (
    *("model", "weights", "dataset", "data", "n", "norm", "eps", "grid", "calibration"),
    *("steps", "false_positives", "seed", "protocol", "backend"),
)
SHARES = ("undefended", "accepted", "aware_plain", "aware")
VALUES = (
    *("trained_on", "clean_acc"),
    *(f"{name}_{part}" for name in SHARES for part in ("acc", "lo", "hi")),
    *("auc_plain", "auc_adaptive", "digest", "symbench"),
)
COLUMNS = (*IDENTITY, *VALUES)


def detection_rows(results: DetectResults) -> list[Row]:
    """A row for every model and ε of a setting."""
    return [_row(results, model, found) for model in results.models for found in model.radii]


def _row(results: DetectResults, model: DetectResult, found: AtEps) -> Row:
    setting = results.setting
    shares = {name: getattr(found, name) for name in SHARES}
    return {
        "model": model.info.name,
        "weights": model.info.weights,
        "dataset": setting.dataset,
        "data": setting.data,
        "n": setting.n,
        "norm": "linf",
        "eps": found.eps,
        "grid": grid_text([eps for eps in setting.radii if eps <= found.eps]),
        "calibration": setting.calibration,
        "steps": setting.steps,
        "false_positives": setting.false_positives,
        "seed": setting.seed,
        "protocol": setting.protocol,
        "backend": model.info.backend(setting.backend),
        "trained_on": model.info.trained_on,
        "clean_acc": model.clean_accuracy.value,
        **{key: value for name, share in shares.items() for key, value in _parts(name, share).items()},
        "auc_plain": _known(found.auc_plain),
        "auc_adaptive": _known(found.auc_adaptive),
        "digest": model.digest,
        "symbench": results.versions.get("symbench") or version(),
    }


def _parts(name: str, share: Share) -> dict[str, float]:
    return {f"{name}_acc": share.value, f"{name}_lo": share.lo, f"{name}_hi": share.hi}


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
