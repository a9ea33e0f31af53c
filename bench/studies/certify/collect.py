"""Stored certificates joined into results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from bench.engine.result import CellResult
from bench.engine.store import Store
from bench.inputs.model_info import ModelInfo
from bench.numbers.stats import wilson
from bench.studies.certify import cells
from bench.studies.certify.options import CertifyOptions
from bench.studies.certify.results import CertifyResult, CertifyResults, CertifySetting, Orbit
from bench.studies.certify.smoothing import radii
from bench.studies.clever.cells import bound_cells, score_cells
from bench.studies.clever.collect import read_setting as read_clever
from bench.studies.shared.collect import collecting, digest, joined, whole

RARE = 5  # votes of a class in a row, on average, below which χ² is no good approximation


def read_setting(fields: Mapping[str, Any]) -> CertifySetting:
    """The setting of the fields that a run keeps."""
    options = {**fields["options"], "radii": tuple(fields["options"]["radii"])}
    return CertifySetting(
        **{**fields, "options": CertifyOptions(**options), "clever": read_clever(fields["clever"])}
    )


def _result(store: Store, setting: CertifySetting, model: ModelInfo) -> CertifyResult | None:
    collected = _smoothed if setting.options.smooth else _bounded
    return collected(store, setting, model)


def _bounded(store: Store, setting: CertifySetting, model: ModelInfo) -> CertifyResult | None:
    """Interval and Lipschitz bounds, CLEVER and the smallest attack of one network."""
    parts = [
        whole(store, found)
        for found in (
            cells.interval_cells(setting, model),
            cells.lipschitz_cells(setting, model),
            score_cells(setting.clever, model),
            bound_cells(setting.clever, model),
        )
    ]
    if not all(parts):
        return None
    interval, lipschitz, scores, bounds = parts
    right = joined(interval, "standing")
    certified = {"ibp": joined(interval, "radius"), "lipschitz": joined(lipschitz, "radius")}
    return CertifyResult(
        info=model,
        label=joined(interval, "label"),
        right=right,
        abstained=np.zeros(len(right), dtype=bool),
        radii={name: np.where(right, found, 0.0) for name, found in certified.items()},
        attack=np.where(right, joined(bounds, "distance"), 0.0),
        clever=joined(scores, "score"),
        bound=joined(lipschitz, "bound"),
        estimate=_weakest(scores),
        orbit=None,
        seconds=_seconds(parts),
        digest=digest([shard for part in parts for shard in part]),
    )


def _weakest(scores: Sequence[CellResult]) -> np.ndarray:
    """(n,) CLEVER's Lipschitz constant of the margin that gave the score; NaN for wrong images."""
    score, constant = joined(scores, "target_score"), joined(scores, "lipschitz")
    at = np.where(np.isnan(score), np.inf, score).argmin(axis=1)
    return _for_each(constant, at)


def _smoothed(store: Store, setting: CertifySetting, model: ModelInfo) -> CertifyResult | None:
    """The votes under noise, and the smallest attack on the network that votes."""
    turns = (0, *cells.TURNS) if setting.options.orbit else (0,)
    voted = [whole(store, cells.smoothing_cells(setting, model, turn)) for turn in turns]
    attacks = whole(store, cells.attack_cells(setting, model))
    if not all(voted) or not attacks:
        return None
    label, chosen = joined(voted[0], "label"), joined(voted[0], "chosen")
    found = radii_of(setting, _for_each(joined(voted[0], "votes"), chosen))
    abstained = np.isnan(found)
    right = (chosen == label) & ~abstained
    parts = [*voted, attacks]
    return CertifyResult(
        info=model,
        label=label,
        right=right,
        abstained=abstained,
        radii={"smoothing": np.where(right, found, 0.0)},
        attack=np.where(right | abstained, joined(attacks, setting.options.norm), 0.0),
        clever=None,
        bound=None,
        estimate=None,
        orbit=_orbit(setting, voted) if setting.options.orbit else None,
        seconds=_seconds(parts),
        digest=digest([shard for part in parts for shard in part]),
    )


def radii_of(setting: CertifySetting, votes: Int64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """Smoothing's radii in the setting's norm from the votes for each image's class; NaN for abstentions.

    An L∞ ball lies in an L2 ball √d times as large.
    """
    options = setting.options
    assert options.sigma is not None
    assert options.samples is not None
    assert options.alpha is not None
    found = radii(votes, options.samples, sigma=options.sigma, alpha=options.alpha)
    return found / setting.pixels**0.5 if options.norm == "linf" else found


def _orbit(setting: CertifySetting, voted: Sequence[Sequence[CellResult]]) -> Orbit:
    chosen = np.stack([joined(shards, "chosen") for shards in voted])
    votes = np.stack([joined(shards, "votes") for shards in voted])
    found = np.stack([radii_of(setting, _for_each(v, c)) for v, c in zip(votes, chosen, strict=True)])
    found = np.nan_to_num(found, nan=0.0)
    return Orbit(
        same_class=wilson(int((chosen == chosen[0]).all(axis=0).sum()), votes.shape[1]),
        p=np.array([homogeneity(table) for table in votes.swapaxes(0, 1)]),
        spread=found.max(axis=0) - found.min(axis=0),
    )


def homogeneity(votes: Int64[np.ndarray, "rows classes"]) -> float:
    """The p-value that all rows of votes are of one distribution (χ² test).

    Classes that a row has fewer than five votes for on average are counted as one class, and if that is still so rare,
    with the next one.
    """
    from scipy import stats

    order = np.argsort(votes.sum(axis=0), kind="stable")
    table = votes[:, order]
    enough = table.sum(axis=0).cumsum() >= RARE * len(table)
    first = int(enough.argmax())
    pooled = np.column_stack([table[:, : first + 1].sum(axis=1), table[:, first + 1 :]])
    if not enough[first] or pooled.shape[1] < 2:
        return 1.0
    return float(np.asarray(stats.chi2_contingency(pooled)[1]))


def _for_each(values: np.ndarray, at: Int64[np.ndarray, " n"]) -> np.ndarray:
    """(n,) of each row of (n, k) values the one at its place."""
    return values[np.arange(len(at)), at]


def _seconds(parts: Sequence[Sequence[CellResult]]) -> float:
    return sum(shard.seconds for part in parts for shard in part)


collect_certificates = collecting(_result, CertifyResults)
