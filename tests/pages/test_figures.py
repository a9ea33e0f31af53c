"""Figures: valid SVG, nothing of a name interpreted, the same bytes each time, no state left behind."""

from __future__ import annotations

import dataclasses
import io
import xml.etree.ElementTree as ET

import matplotlib
import numpy as np
import pytest
from PIL import Image

from bench.pages.style import PALETTE, family, styles
from bench.studies.attacked.curves import _tick_texts, panels
from bench.studies.attacked.figures import Figures, draw
from bench.studies.robustness import ranking
from bench.studies.robustness.names import attack_names
from bench.studies.robustness.results import Results
from tests.factory import ZOO, make_results

NASTY = 'a<script>$x_1$&"b'


def drawn(results: Results) -> Figures:
    return draw(results, ranking.standings(results), "d")


def texts(svg: str) -> list[str]:
    return [e.text or "" for e in ET.fromstring(svg).iter() if e.tag.endswith("text")]


def test_files_are_an_svg_and_a_png_for_each_attack_and_the_scatter():
    files = drawn(make_results(attacks=("fgsm", "pgd"))).files
    assert sorted(files) == [
        f"d-{figure}.{kind}" for figure in ("curves-fgsm", "curves-pgd", "scatter") for kind in ("png", "svg")
    ]
    for name, data in files.items():
        if name.endswith("svg"):
            assert ET.fromstring(data).tag.endswith("svg")
        else:
            assert Image.open(io.BytesIO(data)).size[0] > 300


def test_same_results_give_the_same_bytes():
    assert drawn(make_results(seed=3)) == drawn(make_results(seed=3))


def test_no_date_in_files():
    for name, data in drawn(make_results()).files.items():
        assert b"dc:date" not in data, name
        assert b"Creation Time" not in data, name


def test_names_are_drawn_as_they_are():
    figures = drawn(make_results(models=(NASTY, "plain")))
    for svg in (figures.curves[0].parts[0][1], figures.files["d-scatter.svg"].decode()):
        assert NASTY in texts(svg)
        assert "<script" not in svg


def test_text_that_looks_like_markup_of_ours_is_left_alone():
    name = ': #ffffff id="x_1"'
    assert name in texts(drawn(make_results(models=(name, "b"))).curves[0].parts[0][1])


def test_control_characters_and_long_names_still_give_valid_svg():
    figures = drawn(make_results(models=("a\x00b\nc", "x" * 300, "模型")))
    svg = figures.curves[0].parts[0][1]
    assert {"a b c", "x" * 29 + "…", "模型"} <= set(texts(svg))


def test_drawing_leaves_matplotlib_as_it_was():
    before = dict(matplotlib.rcParams)
    drawn(make_results())
    assert dict(matplotlib.rcParams) == before


def test_curves_hold_the_share_of_all_images_from_clean_to_the_largest_eps():
    results = make_results(models=("m",), eps=(0.1, 0.2), attacks=("pgd",))
    model = results.models[0]
    panel = panels(results, ranking.standings(results), model.curves[0].request, "pgd")[0]
    assert panel.eps == (0.0, 0.1, 0.2)
    expected = [model.clean.correct.mean(), *model.curves[0].standing.mean(axis=1)]
    np.testing.assert_allclose([s.value for s in panel.lines[0].shares], expected)


def test_a_grid_with_zero_is_not_given_another():
    results = make_results(models=("m",), eps=(0.0, 0.1), attacks=("pgd",))
    request = results.models[0].curves[0].request
    assert panels(results, ranking.standings(results), request, "pgd")[0].eps == (0.0, 0.1)


def test_many_models_get_a_panel_for_each_architecture():
    results = make_results(models=ZOO, n=40, attacks=("fgsm",))
    request = results.models[0].curves[0].request
    grid = panels(results, ranking.standings(results), request, "fgsm")
    assert sorted(panel.title for panel in grid) == sorted({family(name) for name in ZOO})
    for panel in grid:
        assert {family(line.name) for line in panel.lines} == {panel.title}
        assert len(panel.lines) + len(panel.others) == len(ZOO)


def test_models_not_measured_under_an_attack_are_absent_from_its_panel():
    both, one = (make_results(models=("a", "b"), attacks=a).models for a in (("fgsm", "pgd"), ("fgsm",)))
    results = dataclasses.replace(make_results(), models=(both[0], one[1]))
    names = attack_names(results)
    shown = {
        name: [line.name for line in panels(results, ranking.standings(results), request, name)[0].lines]
        for request, name in names.items()
    }
    assert shown == {"fgsm": ["a", "b"], "pgd": ["a"]}


def test_styles_tell_few_models_apart_and_group_many_by_recipe():
    few = styles(["a", "b", "c"])
    assert len({style.colour for style in few.values()}) == 3
    many = styles(ZOO)
    assert many["baseline_cnn.pgd_at"].colour == many["equivariant_gcnn.pgd_at"].colour == PALETTE[1]
    assert many["baseline_cnn"].colour == PALETTE[0]
    assert many["baseline_cnn_4"].dash != many["baseline_cnn"].dash


def test_tick_texts_keep_the_ends_and_leave_out_what_would_overlap():
    photographs = _tick_texts((0.0, 1 / 255, 2 / 255, 4 / 255, 8 / 255))
    assert photographs == ["0", "", "2/255", "4/255", "8/255"]
    assert _tick_texts((0.0, 0.05, 0.1)) == ["0", "0.05", "0.1"]


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_all_or_no_images_right(level: float):
    results = make_results(models=("m",), n=20)
    model = results.models[0]
    full = np.full_like
    right = bool(level)
    model = dataclasses.replace(
        model,
        clean=dataclasses.replace(model.clean, correct=full(model.clean.correct, right)),
        curves=tuple(dataclasses.replace(c, standing=full(c.standing, right)) for c in model.curves),
    )
    assert drawn(dataclasses.replace(results, models=(model,))).scatter.startswith("<svg")
