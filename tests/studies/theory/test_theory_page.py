"""The theory page: its numbers those of the arrays, escaped, self-contained."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

import zoo
from bench.errors import UsageError
from bench.inputs.model_cost import model_cost
from bench.studies import theory
from bench.studies.theory.page import orbit_rows, proxy_rows, write_theory_page
from tests.studies.attacked.test_report import NASTY, tables
from tests.studies.theory.test_theory import N, measured


@pytest.fixture(scope="module")
def models() -> list[theory.ModelTheory]:
    data = zoo.data.load("digits", "test")
    images = data.images(0, N), data.targets(0, N)
    first, *others = (
        measured(name, images) for name in ("baseline_cnn_4", "equivariant_gcnn_4", "cascaded_gcnn_4")
    )
    network = zoo.load("baseline_cnn_4")
    gradients = theory.measure_gradients(network, images[0][:3])
    costs = [
        model_cost(zoo.deploy(each), images[0][:1]) for each in (network, zoo.load("equivariant_gcnn_4"))
    ]
    first = dataclasses.replace(first, gradients=gradients, cost=costs[0])
    return [first, dataclasses.replace(others[0], cost=costs[1]), *others[1:]]


def results(models: list[theory.ModelTheory], **changes: object) -> theory.TheoryResults:
    rng = np.random.default_rng(0)
    baseline, invariant = rng.random(N), rng.random(N)
    found = theory.assemble(
        models,
        dataset="digits",
        data="d" * 64,
        n=N,
        clever={"baseline_cnn_4": baseline, "equivariant_gcnn_4": invariant},
        versions={"torch": "2"},
        command="bench theory",
    )
    return dataclasses.replace(found, **changes)  # type: ignore[arg-type]


def test_page_numbers_are_those_of_the_arrays(models: list[theory.ModelTheory], tmp_path: Path):
    found = results(models)
    html = write_theory_page(found, tmp_path / "new").read_text("utf-8")
    rows = tables(html, "orbits")[0][1:]
    assert [row[0][0] for row in rows] == [model.info.name for model in models]
    for row, model in zip(rows, models, strict=True):
        shown = [float(attributes["data-value"] or "nan") for _, attributes in (row[1], *row[3:])]
        spreads = [model.orbit.spread(of) for of in ("l2", "l1", "linf", "jacobian", "stored")]
        medians = [float(np.median(each)) for each in (model.orbit.margin_spread, *spreads)]
        assert shown == pytest.approx([model.layers[-1].error, *medians], rel=1e-6)
    for table, model in zip(tables(html, "layers"), models, strict=True):
        assert [row[3][0] for row in table[1:]] == [theory.number(each.alone) for each in model.layers]
    ratios = [row[2][1]["data-value"] for row in tables(html, "proxies")[0][1:]]
    expected = [np.median(row) for model in models for row in model.tangent.ratio]
    assert [float(each or "nan") for each in ratios] == pytest.approx(expected, rel=1e-6)
    assert len(re.findall(r'aria-label="Margins', html)) == 2
    gradients = models[0].gradients
    assert gradients
    (vectors,) = tables(html, "vectors")[0][1:]  # the models of older stores have none
    expected = [gradients.turned.worst(), gradients.turned.worst("jacobian"), gradients.average.relative]
    shown = [float(each["data-value"] or "nan") for _, each in vectors[1:4]]
    assert shown == pytest.approx([np.median(each) for each in expected], rel=1e-6)
    (scales,) = tables(html, "scales")[0][1:]
    assert scales[1][0] == "no"
    assert float(scales[3][1]["data-value"] or "nan") == pytest.approx(
        np.median(gradients.scales.damping), rel=1e-6
    )
    costs = [model.cost for model in models if model.cost]
    rows = tables(html, "costs")[0][1:]
    assert [float(row[2][1]["data-value"] or "nan") for row in rows] == [
        each.forward.multiply_adds for each in costs
    ]
    ratio = costs[1].forward.multiply_adds / costs[0].forward.multiply_adds
    assert [row[3][0] for row in rows] == ["1.00", f"{ratio:.2f}"]
    assert len(tables(html, "comparisons")[0]) == 1 + len(found.comparisons) == 2
    assert re.findall(r'<article id="claim-([\w-]+)">', html) == [claim.id for claim in found.claims]
    assert len(orbit_rows(models, 0)) * 3 == len(proxy_rows(models, 0))


def test_page_asks_for_nothing_outside_itself(models: list[theory.ModelTheory], tmp_path: Path):
    path = write_theory_page(results(models), tmp_path)
    html = path.read_text("utf-8")
    assert path == tmp_path / "theory-digits.html"
    assert {each.name for each in tmp_path.iterdir()} == {path.name, "index.html"}
    for value in re.findall(r'(?:src|href|action)="([^"]*)"', html):
        assert value == "index.html" or value.startswith(("data:", "#")), value
    assert not re.search(r"@import|<link|<iframe|fetch\(|url\((?!#)|http", html)
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert {each.lstrip("#") for each in re.findall(r'href="(#[^"]+)"', html)} <= set(ids)
    assert html == write_theory_page(results(models), tmp_path).read_text("utf-8")


def test_page_escapes_what_a_user_supplies(models: list[theory.ModelTheory], tmp_path: Path):
    info = dataclasses.replace(models[0].info, name=NASTY, trained_on=NASTY, weights=NASTY)
    found = results(models)
    claim = dataclasses.replace(found.claims[0], measured=NASTY, verdict=NASTY)
    nasty = dataclasses.replace(
        found,
        models=(dataclasses.replace(models[0], info=info),),
        claims=(claim,),
        **dict.fromkeys(("dataset", "data", "about", "scores", "command"), NASTY),
        versions={NASTY: NASTY},
    )
    path = write_theory_page(nasty, tmp_path)
    html = path.read_text("utf-8")
    assert html.count("<script") == 1
    assert "a&lt;script&gt;$x_1$&amp;&#34;b" in html
    assert re.fullmatch(r"[A-Za-z0-9._-]+\.html", path.name)


def test_page_without_models_or_scores_and_without_a_place(tmp_path: Path):
    found = theory.assemble([], dataset="d", data="", n=0, versions={}, command="c")
    html = write_theory_page(found, tmp_path).read_text("utf-8")
    assert 'id="orbits"' not in html
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write the report"):
        write_theory_page(found, tmp_path / "file" / "below")
