"""Every attack beside the best that was found of all, on a linear model whose distances are known."""

from __future__ import annotations

import numpy as np
import pytest

import bench
from bench.studies.robustness.optimality import optimality
from tests.toys import linear_problem


def test_the_exact_attack_is_the_best_and_the_others_are_measured_against_it() -> None:
    model, x, y, _ = linear_problem()
    exact = (model(x)[:, 1].abs() / model.weight.norm()).numpy()
    grid = [float(np.quantile(exact, 0.5)), 1.2 * float(exact.max())]
    attacks = ["fmn", "deepfool", "noise"]
    results = bench.evaluate(model, x, y, attacks=attacks, norm="l2", eps=grid, queries=20)
    (found,) = results.models
    by_name = {curve.request.attack: curve for curve in found.curves}
    told = {name: optimality(results.models, curve.request) for name, curve in by_name.items()}
    assert told["fmn"].broken == pytest.approx(1, abs=0.02)
    assert told["fmn"].nearest == pytest.approx(1, abs=1e-3)
    # DeepFool ends 1e-4 beyond the boundary and stretches the sum of its steps by 2 %
    assert told["deepfool"].nearest == pytest.approx(
        float(np.mean(exact / (1.02 * (exact + 1e-4)))), abs=2e-3
    )
    assert np.isnan(told["noise"].nearest)
    broken = ~by_name["noise"].standing
    assert told["noise"].broken == pytest.approx(broken.sum() / (~found.worst()).sum())
    assert 0 < told["noise"].broken < told["deepfool"].broken


def test_alone_an_attack_is_the_best_of_all_and_where_nothing_broke_there_is_no_share() -> None:
    model, x, y, radius = linear_problem()
    alone = bench.evaluate(model, x, y, attacks=["pgd"], eps=2 * float(radius.max()))
    assert optimality(alone.models, alone.models[0].curves[0].request).broken == 1
    none = bench.evaluate(model, x, y, attacks=["fmn"], norm="linf", eps=0.5 * float(radius.min()))
    told = optimality(none.models, none.models[0].curves[0].request)
    assert np.isnan(told.broken)
    assert np.isnan(told.nearest)
