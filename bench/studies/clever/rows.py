"""Leaderboard rows of CLEVER results."""

from __future__ import annotations

import math

import numpy as np

from bench.leaderboard.columns import COLUMNS, SCHEMA, Row, made_with, version
from bench.numbers.stats import wilson
from bench.studies.clever.cells import score_cells
from bench.studies.clever.results import CleverResult, CleverResults


def clever_rows(results: CleverResults) -> list[Row]:
    """One row a model; the columns of attacks are empty."""
    return [_row(results, model) for model in results.models]


def image_rows(results: CleverResults) -> list[Row]:
    """One row an image and model, as ``bench clever --json`` prints them."""
    options = results.setting.options
    return [
        {
            "model": model.info.name,
            "index": index,
            "engine": options.engine,
            "norm": options.norm,
            "radius": options.radius,
            "label": int(model.arrays["label"][index]),
            "predicted": int(model.arrays["predicted"][index]),
            "correct": bool(model.right[index]),
            "score": float(model.scores[index]),
            **_weakest(model, index),
            "attack_distance": _finite(float(model.arrays["distance"][index])),
            "censored": bool(model.arrays["censored"][index]),
            "zero_gradient": bool(model.arrays["zero_gradient"][index]),
        }
        for model in results.models
        for index in range(results.setting.n)
    ]


def _weakest(model: CleverResult, index: int) -> Row:
    """The measurements of the class with the image's score."""
    names = ("target", "margin", "lipschitz", "largest_sample", "shape", "loc", "scale", "ks_p", "fallback")
    if not model.right[index]:
        return dict.fromkeys(names) | {"fallback": False}
    slot = int(np.nanargmin(model.arrays["target_score"][index]))
    found = {name: model.arrays[name][index, slot] for name in names}
    numbers: Row = {name: _finite(float(value)) for name, value in found.items()}
    return numbers | {"target": int(found["target"]), "fallback": bool(found["fallback"])}


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _row(results: CleverResults, model: CleverResult) -> Row:
    setting, shares = results.setting, model.shares()
    right = int(model.right.sum())
    clean = wilson(right, setting.n)
    median, low, high = model.median_interval()
    distance = model.arrays["distance"]
    (cell, *_) = score_cells(setting, model.info)
    values: Row = {
        "model": model.info.name,
        "weights": model.info.weights,
        "dataset": setting.dataset,
        "data": setting.data,
        "n": setting.n,
        "attack": "clever",
        "library": model.library,
        "norm": setting.options.norm,
        "params": ";".join(f"{name}={value}" for name, value in cell.params),
        "seeds": str(setting.options.seed),
        "batch": setting.batch,
        "protocol": setting.protocol,
        "backend": model.info.backend(setting.backend),
        "trained_on": model.info.trained_on,
        "suspect": model.info.suspect,
        "parameters": model.info.parameters,
        "clean_acc": clean.value,
        "clean_lo": clean.lo,
        "clean_hi": clean.hi,
        "clean_right": right,
        "clever_median": median,
        "clever_lo": low,
        "clever_hi": high,
        "clever_mean": float(model.scores.mean()),
        "clever_censored": shares["censored"],
        "clever_fallback": shares["fallback"],
        "clever_zero_gradient": shares["zero_gradient"],
        "clever_above_attack": shares["above_attack"],
        "attack_median": _finite(float(np.median(np.where(np.isnan(distance), np.inf, distance)))),
        "split": model.split,
        "gradients": model.gradients,
        "seconds": round(model.seconds, 3),
        "digest": model.digest,
        "versions": made_with(results.versions, model.info),
        "schema": SCHEMA,
        "symbench": results.versions.get("symbench") or version(),
    }
    absent = ("curve", "grid", "alpha_rule", "iterate", "audit", "stronger", "mce_baseline", "date")
    empty: Row = dict.fromkeys(absent, "")
    return {column: values.get(column, empty.get(column)) for column in COLUMNS}
