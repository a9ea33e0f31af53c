"""The default engine: its fits hold where those of a resampled pool do not, at no more gradients."""

from __future__ import annotations

from dataclasses import replace

import pytest

import zoo
from bench.engine.loaded import one_thread
from bench.inputs.sources import deployed
from bench.studies.clever import THRESHOLDS, clever, flags, parse_options
from bench.studies.clever.options import counterparts

DIGITS = zoo.data.load("digits", "test")


def test_its_fits_hold() -> None:
    model = deployed(zoo.load("baseline_cnn_4"), "cpu")
    x, y = DIGITS.images(0, 2), DIGITS.targets(0, 2)
    shares, gradients = {}, {}
    for engine in ("evt", "batched"):
        options = parse_options(image_shape=tuple(x.shape[1:]), engine=engine, targets="top-3")
        with one_thread():
            shares[engine] = flags(clever(model, x, y, options, first=0))["fallback"]
        gradients[engine] = options.gradients
    assert parse_options(image_shape=(1, 16, 16)).engine == "evt"
    assert gradients["evt"] <= gradients["batched"]
    assert shares["evt"] <= THRESHOLDS["fallback"] < shares["batched"]


@pytest.mark.parametrize(("own", "other"), [("evt", "batched"), ("batched", "evt"), ("batched", "art")])
def test_engines_are_compared_at_their_own_quick_budgets_or_at_the_same(own: str, other: str) -> None:
    quick = {name: parse_options(image_shape=(1, 16, 16), engine=name) for name in (own, other)}
    first, *rest = counterparts(quick[own], other)
    assert first == quick[other]
    assert rest in ([], [replace(quick[own], engine=other)])
    long = parse_options(image_shape=(1, 16, 16), engine=own, preset="weng2018")
    assert counterparts(long, other) == (replace(long, engine=other),)
