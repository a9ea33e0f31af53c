"""Leaderboard rows of spatial results: without ε, so never ranked."""

from __future__ import annotations

from typing import Any

from bench.engine.cell import Cell
from bench.leaderboard.columns import COLUMNS, SCHEMA, Row, made_with, version
from bench.numbers.stats import Share
from bench.studies.spatial.cells import LIBRARY, spatial_cells
from bench.studies.spatial.results import SpatialOutcome, SpatialResult, SpatialResults, Worst


def spatial_rows(results: SpatialResults) -> list[Row]:
    """A row for each model and random level, and one for the worst of the grid.

    ``robust_acc`` of ``rotate`` and ``translate`` is the mean accuracy over images and draws, whatever an
    image was when clean; that of ``spatial_worst`` is the share of images that nothing of the grid breaks.
    """
    return [row for model in results.models for row in _rows(results, model)]


def _rows(results: SpatialResults, model: SpatialResult) -> list[Row]:
    outcomes: list[tuple[str, float | None, SpatialOutcome | Worst]] = [
        *(("rotate", level, outcome) for level, outcome in model.rotations.items()),
        *(("translate", level, outcome) for level, outcome in model.translations.items()),
    ]
    if model.grid is not None:
        outcomes.append(("grid", None, model.grid))
    found = []
    for what, level, outcome in outcomes:
        cell = spatial_cells(results.setting, model.info, what, level)[0]
        found.append(_row(results, model, cell, outcome))
    return found


def _row(results: SpatialResults, model: SpatialResult, cell: Cell, outcome: SpatialOutcome | Worst) -> Row:
    setting, info = results.setting, model.info
    values: Row = {
        "model": info.name,
        "weights": info.weights,
        "dataset": setting.dataset,
        "data": setting.data,
        "n": setting.n,
        "attack": "spatial_worst" if isinstance(outcome, Worst) else cell.attack,
        "library": LIBRARY,
        "params": ";".join(f"{name}={value}" for name, value in cell.params),
        "seeds": str(cell.seed),
        "batch": setting.batch,
        "protocol": setting.protocol,
        "backend": info.backend(setting.backend),
        "trained_on": info.trained_on,
        "suspect": info.suspect,
        "parameters": info.parameters,
        **_share("clean", "clean_acc", model.clean_accuracy),
        **_share("robust", "robust_acc", outcome.accuracy),
        **_share("robust_given_clean", "robust_given_clean", outcome.accuracy_given_clean),
        "clean_right": int(model.clean.sum()),
        "robust": int(outcome.right.sum()) if isinstance(outcome, Worst) else None,
        "split": outcome.split,
        "gradients": 0,
        "seconds": round(outcome.seconds, 3),
        "digest": outcome.digest,
        "versions": made_with(results.versions, model.info),
        "schema": SCHEMA,
        "symbench": results.versions.get("symbench") or version(),
    }
    absent = ("norm", "curve", "grid", "alpha_rule", "iterate", "audit", "stronger", "mce_baseline", "date")
    empty: Row = dict.fromkeys(absent, "")
    return {column: values.get(column, empty.get(column)) for column in COLUMNS}


def _share(prefix: str, name: str, share: Share | None) -> dict[str, Any]:
    values = (share.value, share.lo, share.hi) if share else (None, None, None)
    return dict(zip((name, f"{prefix}_lo", f"{prefix}_hi"), values, strict=True))


def json_rows(results: SpatialResults) -> list[Row]:
    """One row a model and question, as ``bench spatial --json`` prints them: every number of the page."""
    return [row for model in results.models for row in _json_rows(results, model)]


def _json_rows(results: SpatialResults, model: SpatialResult) -> list[Row]:
    rows: list[Row] = [_json_row(results, model, "clean", None, {"accuracy": model.clean_accuracy})]
    randoms = [("rotate", model.rotations), ("translate", model.translations)]
    for what, outcomes in randoms:
        for level, outcome in outcomes.items():
            shares = {
                "accuracy": outcome.accuracy,
                "accuracy_given_clean": outcome.accuracy_given_clean,
                "fooled": outcome.fooled,
                "fooled_given_clean": outcome.fooled_given_clean,
            }
            row = _json_row(results, model, what, level, shares)
            rows.append(row | {"draws": results.setting.draws, "digest": outcome.digest})
    for angle in model.angles:
        if (turned := model.at(angle)) is not None:
            shares = {"accuracy": turned.accuracy, "fooled": turned.fooled}
            row = _json_row(results, model, "turn", angle, shares)
            rows.append(row | {"lost": turned.lost, "gained": turned.gained})
    if model.grid is not None:
        shares = {
            "accuracy": model.grid.accuracy,
            "accuracy_given_clean": model.grid.accuracy_given_clean,
        }
        row = _json_row(results, model, "grid", None, shares)
        rows.append(row | {"queries": int(model.grid.queries.sum()), "digest": model.grid.digest})
    return rows


def _json_row(
    results: SpatialResults, model: SpatialResult, what: str, level: float | None, shares: dict[str, Any]
) -> Row:
    setting = results.setting
    row: Row = {
        "model": model.info.name,
        "weights": model.info.weights,
        "trained_on": model.info.trained_on,
        "dataset": setting.dataset,
        "data": setting.data,
        "n": setting.n,
        "interpolation": setting.interpolation,
        "fill": setting.fill,
        "seed": setting.seed,
        "what": what,
        "level": level,
    }
    for name, share in shares.items():
        row |= _share(name, name, share)
    return row
