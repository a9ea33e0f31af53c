"""Leaderboard rows of results: one for each model, attack and ε, with everything that identifies the measurement."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool

from bench.engine.protocols import released_rules
from bench.leaderboard.columns import SCHEMA, Row, _complete, _joined, identity, made_with, version
from bench.numbers.eps import grid_text
from bench.numbers.stats import Share, wilson
from bench.studies.robustness.balls import BallPart, parts
from bench.studies.robustness.results import Clean, Curve, ModelResult, Results
from bench.studies.robustness.worst import worst_columns


def rows(results: Results, verdicts: Mapping[tuple[str, str], str] | None = None) -> list[Row]:
    """The rows of some results, in the order of models, attacks and ε.

    After a model's attacks over the grid come, where several were run in a ball, rows ``worst(…)``: per-image
    AND over all of them, which ``params`` states. Spatial attacks come last, without ε, and are not part of it.

    Args:
        results: what was measured; what other runs found counts where ``bench.studies.robustness.balls.joined`` put it.
        verdicts: the audit's verdicts with their level by (weights, data), where there are any; none is of a
            released protocol.

    Returns:
        Dictionaries with the keys ``COLUMNS``; values are str, int, finite float or bool, and ``None`` where
        a number does not apply. Accuracies are fractions in [0, 1] with Wilson's 95 % interval.
    """
    return [row for row, _ in _with_outcomes(results, verdicts or {})]


def outcomes(results: Results) -> dict[tuple[Any, ...], tuple[str, Bool[np.ndarray, " n"]]]:
    """By the identity of each row of some results: its digest, and (n,) bool which images stand."""
    return {identity(row): (row["digest"], standing) for row, standing in _with_outcomes(results, {})}


def _with_outcomes(
    results: Results, verdicts: Mapping[tuple[str, str], str]
) -> list[tuple[Row, Bool[np.ndarray, " n"]]]:
    found = []
    audited = released_rules(results.setting.protocol) is None  # an audit is of the sound protocol only
    grid = range(len(results.setting.eps))
    for model in results.models:
        verdict = verdicts.get((model.info.weights, results.setting.data), "") if audited else ""
        for curve in model.curves:
            found += [(_row(results, model, curve, i, verdict), curve.standing[i]) for i in grid]
        for i in grid if model.curves else ():
            if len(joined := parts(results.setting, model, i)) > 1:
                found.append(_worst_row(results, model, i, joined, verdict))
        for curve in model.spatial:
            found.append((_row(results, model, curve, 0, verdict), curve.standing[0]))
    return found


def _row(results: Results, model: ModelResult, curve: Curve, i: int, verdict: str) -> Row:
    threat = curve.request.spec.threat
    eps = float(results.setting.eps[i]) if threat != "spatial" else None
    row = {
        **_about(results, model, curve.standing[i], i),
        **_attack(curve, eps),
        "audit": verdict,
        "nonfinite": int(np.sum(curve.nonfinite[i])),
        "projected": int(np.sum(curve.projected[i])),
        "split": _smallest(model.clean, curve),
        "silent": int(np.sum(curve.silent[i])) if released_rules(results.setting.protocol) is None else None,
        "gradients": int(curve.gradients[i]),
        "seconds": round(float(curve.seconds[i]), 3),
        "digest": curve.digest[i],
    }
    if threat != "ball":
        row |= {"curve": "minimum_norm" if threat == "minimum_norm" else "", "grid": ""}
    return _complete(row)


def _worst_row(
    results: Results, model: ModelResult, i: int, joined: Sequence[BallPart], verdict: str
) -> tuple[Row, Bool[np.ndarray, " n"]]:
    columns, joined = worst_columns(results.setting, i, joined)
    standing = np.logical_and.reduce([part.standing for part in joined])
    digests = "".join(part.curve.digest[part.at] for part in joined)
    row = {
        **_about(results, model, standing, i),
        **columns,
        "library": _joined(sorted({part.curve.library for part in joined})),
        "norm": results.setting.norm,
        "eps": float(results.setting.eps[i]),
        "alpha_rule": "",
        "iterate": "",
        "audit": verdict,
        "nonfinite": int(np.logical_or.reduce([part.curve.nonfinite[part.at] for part in joined]).sum()),
        "projected": int(np.logical_or.reduce([part.curve.projected[part.at] for part in joined]).sum()),
        "split": _smallest(model.clean, *(part.curve for part in joined)),
        "gradients": sum(int(part.curve.gradients[part.at]) for part in joined),
        "seconds": round(sum(float(part.curve.seconds[part.at]) for part in joined), 3),
        "digest": hashlib.sha256(digests.encode()).hexdigest(),
    }
    return _complete(row), standing


def _smallest(*parts: Clean | Curve) -> int | None:
    """The smallest number of images measured together for lack of memory in any of the parts."""
    return min((part.split for part in parts if part.split is not None), default=None)


def vanished(clean: Clean) -> int:
    """The number of clean-right images whose gradient is exactly 0."""
    return int((clean.correct & (clean.grad_norm == 0)).sum())


def _about(results: Results, model: ModelResult, standing: Bool[np.ndarray, " n"], i: int) -> Row:
    """The columns of every row of a model: the identity of the measurement, clean and robust accuracy."""
    setting, clean = results.setting, model.clean
    right, robust = int(clean.correct.sum()), int(standing.sum())
    both = int((standing & clean.correct).sum())
    return {
        "model": model.info.name,
        "weights": model.info.weights,
        "dataset": setting.dataset,
        "data": setting.data,
        "n": setting.n,
        "curve": setting.curve,
        "grid": grid_text(setting.eps[: i + 1]) if setting.curve == "cumulative" else "",
        "seeds": str(setting.seed),
        "batch": setting.batch if released_rules(setting.protocol) is None else None,
        "protocol": setting.protocol,
        "backend": model.info.backend(setting.backend),
        "trained_on": model.info.trained_on,
        "parameters": model.info.parameters,
        **_share("clean", wilson(right, setting.n), "clean_acc"),
        **_share("robust", wilson(robust, setting.n), "robust_acc"),
        **_share("robust_given_clean", wilson(both, right) if right else None, "robust_given_clean"),
        "clean_right": right,
        "robust": robust,
        "stronger": "",
        "suspect": model.info.suspect,
        "vanished": vanished(clean),
        "mce_baseline": "",
        "date": "",
        "versions": made_with(results.versions, model.info),
        "schema": SCHEMA,
        "symbench": results.versions.get("symbench") or version(),
    }


def _attack(curve: Curve, eps: float | None) -> Row:
    """The columns that say which attack it was; parameters without a column of their own go to ``params``."""
    params = dict(curve.request.params_at(eps))
    alpha, best = params.pop("alpha", None), params.pop("best_iterate", None)
    iterate = {True: "best", False: "last", None: ""}[best]
    return {
        "attack": curve.request.attack,
        "library": curve.library,
        "norm": curve.request.norm,
        "eps": eps,
        "steps": params.pop("steps", None),
        "alpha": None if alpha is None else float(alpha),
        "alpha_rule": params.pop("alpha_rule", None) or "",
        "random_start": params.pop("random_start", None),
        "restarts": params.pop("restarts", None),
        "iterate": iterate or ("last" if "alpha" in dict(curve.request.params) else ""),
        "params": _joined(f"{name}={value}" for name, value in sorted(params.items())),
    }


def _share(prefix: str, share: Share | None, name: str) -> Row:
    values = (share.value, share.lo, share.hi) if share else (None, None, None)
    return dict(zip((name, f"{prefix}_lo", f"{prefix}_hi"), values, strict=True))
