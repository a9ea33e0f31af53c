"""Synthetic CLEVER results that look like measured ones, from a seed."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence

import numpy as np

from bench.inputs.model_info import ModelInfo
from bench.studies.clever.options import CleverOptions, parse_options
from bench.studies.clever.results import CleverResult, CleverResults, CleverSetting

TARGETS = 9


def make_clever(
    models: Sequence[str] = ("baseline_cnn", "parallel_gcnn", "equivariant_gcnn"),
    n: int = 40,
    seed: int = 0,
    *,
    dataset: str = "digits",
    attacked: bool = True,
    failed: Sequence[str] = (),
    **options: object,
) -> CleverResults:
    """Scores of models whose attacks find a little more than CLEVER estimates, for all but a few images."""
    asked = parse_options(**{"image_shape": (1, 16, 16), "engine": "batched", "radius": 2.0, **options})  # type: ignore[arg-type]
    rng = np.random.default_rng(seed)
    return CleverResults(
        setting=CleverSetting(
            dataset=dataset, data="ab" * 32, n=n, options=asked, protocol="sound/1", backend="cpu torch 2.10"
        ),
        models=tuple(
            _model(rng, name, n, asked, attacked, **{} if at else {"evt": float("nan")})
            for at, name in enumerate(models)
        ),
        versions={"torch": "2.10.0", "numpy": np.__version__},
        command=f"bench clever --model {','.join(models)} --dataset {dataset} --n {n}",
        failed=tuple(failed),
    )


def _model(
    rng: np.random.Generator, name: str, n: int, options: CleverOptions, attacked: bool, **compared: float
) -> CleverResult:
    right = rng.random(n) < 0.95
    margin = rng.gamma(8, 0.8, (n, TARGETS)) * rng.uniform(0.7, 1.3)
    largest = rng.gamma(30, 0.2, (n, TARGETS))
    p = np.where(rng.random((n, TARGETS)) < 0.1, np.nan, rng.random((n, TARGETS)) ** 4)
    fallback = ~(p >= 0.001)
    lipschitz = np.where(fallback, largest, largest * rng.uniform(1, 1.2, (n, TARGETS)))
    target_score = np.minimum(margin / lipschitz, options.radius)
    score = np.where(right, target_score.min(axis=1), 0.0)
    arrays = {
        "standing": right,
        "score": score,
        "censored": right & (score == options.radius),
        "zero_gradient": np.zeros(n, bool),
        "fallback": fallback & right[:, None],
        **{
            name: np.where(right[:, None], values, np.nan)
            for name, values in (("lipschitz", lipschitz), ("largest_sample", largest), ("ks_p", p))
        },
    }
    if attacked:
        distance = np.where(right, score * rng.normal(1.5, 0.22, n).clip(0.8), 0.0)
        arrays["distance"] = np.where(right & (rng.random(n) < 0.03), np.nan, distance)
    digest = hashlib.sha256(score.tobytes()).hexdigest()
    return CleverResult(
        info=ModelInfo(name=name, weights=digest[::-1], trained_on="digits", parameters=61_234, origin="zoo"),
        library="symbench.clever==1",
        arrays=arrays,
        seconds=12.5,
        gradients=int(right.sum()) * options.gradients,
        digest=digest,
        compared={"art": 1.031, **compared},
    )


def changed(results: CleverResults, **arrays: np.ndarray | None) -> CleverResults:
    """The first model alone, with arrays replaced, or removed for ``None``."""
    model = results.models[0]
    new = {name: values for name, values in {**model.arrays, **arrays}.items() if values is not None}
    return dataclasses.replace(results, models=(dataclasses.replace(model, arrays=new),))
