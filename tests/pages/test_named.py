"""Names beside markers: none over another, each as near to its marker as the others let it."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from bench.pages.figures import figure_style, inline
from bench.pages.marks import mark, marked, without_marks
from bench.pages.named import name_points, spread

STEP, TOP = 9.0, 200.0


@given(st.lists(st.floats(0, TOP), max_size=40).map(lambda found: sorted(found, reverse=True)))
def test_names_keep_their_distance_and_their_order(heights: list[float]) -> None:
    places = spread(heights, STEP, TOP)
    assert len(places) == len(heights)
    for upper, lower in itertools.pairwise(places):
        assert upper - lower >= STEP - 1e-9
    assert all(place <= max(TOP, (len(heights) - 1) * STEP) + 1e-9 for place in places)
    if heights and (len(heights) - 1) * STEP <= TOP:
        assert places[-1] >= -1e-9


def test_names_with_room_stay_where_their_markers_are() -> None:
    assert spread([150.0, 100.0, 20.0], STEP, TOP) == [150.0, 100.0, 20.0]
    assert spread([100.0, 100.0], STEP, TOP) == pytest.approx([104.5, 95.5])


def test_no_name_lies_over_another_in_a_figure() -> None:
    with figure_style():
        figure = Figure(figsize=(5, 3))
        axes = figure.add_axes((0.1, 0.1, 0.5, 0.8))
        points = [(50.0 + i % 2, 50.0) for i in range(18)]
        axes.plot(*zip(*points, strict=True), "o")
        name_points(axes, points, [f"model_{i}" for i in range(18)])
        FigureCanvasAgg(figure).draw()
        boxes = [Text.get_window_extent(text) for text in axes.texts]  # without the line to the marker
    assert len(boxes) == 18
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])


def test_parts_of_a_figure_say_whose_they_are_in_pages_and_not_in_files() -> None:
    name = 'a"<b>|&\n'
    with figure_style():
        figure = Figure()
        (line,) = figure.add_axes((0.1, 0.1, 0.8, 0.8)).plot([0, 1], [0, 1], "o-")
        mark(line, name, ["clean: 99.44 %", "ε 0.1: 5 %"])
        svg = inline(figure, "s")
    assert 'data-model="a&quot;&lt;b&gt;|&amp;"' in svg
    assert 'data-values="clean: 99.44 %|ε 0.1: 5 %"' in svg
    tag = f'<g id="model-{json.dumps(["m", "line"]).encode().hex()}">'
    assert marked(tag) == '<g data-model="m" data-part="line">'
    assert without_marks(tag) == "<g>"
