"""Invariance attacks as rows: those of ``invariances.csv`` and of ``--json``."""

from __future__ import annotations

from typing import Any

from bench.leaderboard.columns import version
from bench.numbers.eps import grid_text
from bench.numbers.stats import Share
from bench.studies.invariance.results import InvarianceResult, InvarianceResults

Row = dict[str, Any]
NAME = "invariances.csv"
IDENTITY = (
    *("model", "weights", "dataset", "data", "training", "n", "norm", "eps", "grid"),
    *("candidates", "batch", "protocol", "backend"),
)
VALUES = (
    *("trained_on", "counted"),
    *("invariant", "invariant_lo", "invariant_hi", "changed", "changed_lo", "changed_hi"),
    *("digest", "symbench"),
)
COLUMNS = (*IDENTITY, *VALUES)


def invariance_rows(results: InvarianceResults) -> list[Row]:
    """A row for every model and ε of a setting; none for a model without counted images."""
    return [
        _row(results, model, i, share, ceiling)
        for model in results.models
        for i, (share, ceiling) in enumerate(zip(model.shares(), model.ceilings(), strict=True))
    ]


def _row(results: InvarianceResults, model: InvarianceResult, i: int, share: Share, ceiling: Share) -> Row:
    setting = results.setting
    return {
        "model": model.info.name,
        "weights": model.info.weights,
        "dataset": setting.dataset,
        "data": setting.data,
        "training": setting.training,
        "n": setting.n,
        "norm": "linf",
        "eps": setting.radii[i],
        "grid": grid_text(setting.radii[: i + 1]),
        "candidates": setting.candidates,
        "batch": setting.batch,
        "protocol": setting.protocol,
        "backend": model.info.backend(setting.backend),
        "trained_on": model.info.trained_on,
        "counted": int(model.counted.sum()),
        "invariant": share.value,
        "invariant_lo": share.lo,
        "invariant_hi": share.hi,
        "changed": ceiling.value,
        "changed_lo": ceiling.lo,
        "changed_hi": ceiling.hi,
        "digest": model.digest,
        "symbench": results.versions.get("symbench") or version(),
    }
