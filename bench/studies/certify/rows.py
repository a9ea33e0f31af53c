"""Certificates as rows: those of ``certificates.csv``, and those of ``--json``, one an image.

Certificates have a file of their own: a leaderboard's row is of one attack in one ball and has no place for noise,
samples and confidence.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bench.leaderboard.columns import version
from bench.studies.certify.results import CertifyResult, CertifyResults

Row = dict[str, Any]
NAME = "certificates.csv"
IDENTITY = (
    *("model", "weights", "dataset", "data", "n", "method", "norm", "radius"),
    *("sigma", "selection", "samples", "alpha", "seed", "protocol", "backend"),
)
VALUES = (
    *("trained_on", "certified_acc", "certified_lo", "certified_hi", "certified"),
    *("attacked_acc", "clean_acc", "clean_lo", "clean_hi", "clean_right", "abstained", "violations"),
    *("radius_median", "digest", "symbench"),
)
COLUMNS = (*IDENTITY, *VALUES)


def certificate_rows(results: CertifyResults) -> list[Row]:
    """A row for every model, method and radius of a setting."""
    return [
        _row(results, model, method, radius)
        for model in results.models
        for method in model.radii
        for radius in results.setting.options.radii
    ]


def _row(results: CertifyResults, model: CertifyResult, method: str, radius: float) -> Row:
    setting, options = results.setting, results.setting.options
    share, clean = model.certified(method, radius), model.clean
    return {
        "model": model.info.name,
        "weights": model.info.weights,
        "dataset": setting.dataset,
        "data": setting.data,
        "n": setting.n,
        "method": method,
        "norm": options.norm,
        "radius": radius,
        "sigma": options.sigma,
        "selection": options.selection,
        "samples": options.samples,
        "alpha": options.alpha,
        "seed": options.seed,
        "protocol": setting.protocol,
        "backend": model.info.backend(setting.backend),
        "trained_on": model.info.trained_on,
        "certified_acc": share.value,
        "certified_lo": share.lo,
        "certified_hi": share.hi,
        "certified": int(share.k),
        "attacked_acc": model.standing(radius).value,
        "clean_acc": clean.value,
        "clean_lo": clean.lo,
        "clean_hi": clean.hi,
        "clean_right": int(clean.k),
        "abstained": int(model.abstained.sum()),
        "violations": sum(each.method == method for each in model.violations()),
        "radius_median": float(np.median(model.radii[method][model.right])) if clean.k else None,
        "digest": model.digest,
        "symbench": results.versions.get("symbench") or version(),
    }


def image_rows(results: CertifyResults) -> list[Row]:
    """One row for each image and model; unknown values are null."""
    return [
        {
            "model": model.info.name,
            "index": index,
            "label": int(model.label[index]),
            "right": bool(model.right[index]),
            "abstained": bool(model.abstained[index]),
            **{name: float(found[index]) for name, found in model.radii.items()},
            "clever": _finite(model.clever, index),
            "attack": _finite(model.attack, index),
            "lipschitz_bound": _finite(model.bound, index),
            "lipschitz_estimate": _finite(model.estimate, index),
        }
        for model in results.models
        for index in range(results.setting.n)
    ]


def _finite(values: np.ndarray | None, index: int) -> float | None:
    return None if values is None or not math.isfinite(values[index]) else float(values[index])
