"""Shapes and types of everything in bench and zoo are checked while tests run (see conftest.py)."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable

import jaxtyping
import numpy as np
import pytest
import torch
from torch import Tensor

import bench
import zoo
from bench.attacks.measure import measure
from bench.engine.balls import distance
from bench.engine.judge import ask_again
from bench.numbers.stats import holm
from bench.studies.robustness.results import Sample
from tests.toys import clean_cell, linear_problem
from zoo import data
from zoo.layers import P4, GroupConv, Resize

MODEL, X, Y, _ = linear_problem(4)
MODULES = [
    found.name
    for package in (bench, zoo)
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
]


def sample(clean: np.ndarray) -> Sample:
    return Sample(
        index=0,
        label=0,
        clean_predicted=0,
        predicted=1,
        eps=0.1,
        attack="fgsm",
        distance=0.1,
        clean=clean,
        attacked=np.zeros((1, 8, 8), np.float32),
    )


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: ask_again(MODEL, X[0], Y),
        lambda: ask_again(MODEL, X, Y[:-1]),
        lambda: ask_again(MODEL, X, Y.float()),
        lambda: distance(X, X[:-1], "linf"),
        lambda: measure(clean_cell(count=4), MODEL, X, Y[:, None], None),
        lambda: GroupConv(2, 2, 3, P4)(X[0]),
        lambda: Resize(8, 16)(torch.zeros(1, 1, 8, 9)),
        lambda: sample(np.zeros((8, 8), np.float32)),
        lambda: data.order(np.zeros((3, 1), np.int64)),
        lambda: holm(np.zeros((2, 2))),
    ],
)
def test_a_wrong_shape_or_type_is_caught(wrong: Callable[[], object]) -> None:
    with pytest.raises(jaxtyping.TypeCheckError):
        wrong()


def test_right_shapes_pass() -> None:
    verdict = ask_again(MODEL, X, Y)
    assert isinstance(verdict.right, Tensor)
    assert sample(np.zeros((1, 8, 8), np.float32)).clean.shape == (1, 8, 8)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_is_checked(name: str) -> None:
    loader = importlib.import_module(name).__spec__.loader  # type: ignore[union-attr]
    assert type(loader).__module__.startswith("jaxtyping")
