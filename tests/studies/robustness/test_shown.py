"""Results as a table of pandas, as a notebook's table, and as curves."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import matplotlib
import numpy as np
import pytest

import bench
from bench.numbers.stats import wilson
from bench.studies.robustness.results import Results
from tests.factory import make_results
from tests.toys import linear_problem


class Cells(HTMLParser):
    """The texts of a table's cells, row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.open = True

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self.open = self.open and tag != "table"

    def handle_data(self, data: str) -> None:
        if self.open and self.rows and self.rows[-1] and data.strip():
            self.rows[-1][-1] += f"{data} "


def cells(results: Results) -> list[list[str]]:
    parser = Cells()
    parser.feed(results._repr_html_())
    return [[cell.strip() for cell in row] for row in parser.rows]


@pytest.fixture(autouse=True)
def _without_windows() -> None:
    matplotlib.use("Agg")


def test_the_frame_has_the_numbers_of_the_rows() -> None:
    results = make_results()
    frame = results.to_frame()
    rows = bench.leaderboard_rows(results)
    assert len(frame) == len(rows) == 3 * 3 * 4
    for column in ("model", "eps", "n", "clean_acc", "robust_acc", "robust_lo", "robust_hi"):
        assert list(frame[column]) == [row[column] for row in rows], column
    assert list(frame.attack.unique()) == ["fgsm", "pgd", "worst case"]


def test_the_notebooks_table_says_the_same() -> None:
    results = make_results(models=("a & b",), attacks=("pgd",), eps=(0.02, 0.1), failed=("c<d>",))
    head, row = cells(results)
    assert head == ["Model", "Attack", "clean", "ε = 0.02", "ε = 0.1"]
    share = wilson(int(results.models[0].curves[0].standing[1].sum()), 200)
    assert row[:2] == ["a & b", "pgd"]
    assert row[4] == f"{100 * share.value:.1f} {100 * share.lo:.1f}–{100 * share.hi:.1f}"
    assert "c&lt;d&gt;" in results._repr_html_()


def test_the_text_is_one_line() -> None:
    text = "Results(a, b on 200 images of digits, linf, ε = 0.02, 0.1)"
    assert repr(make_results(models=("a", "b"), eps=(0.02, 0.1))) == text


def test_spatial_attacks_have_no_eps() -> None:
    model, x, y, _ = linear_problem(20)
    results = bench.evaluate(model, x, y, attacks=["fgsm", "spatial_random"], eps=[0.01, 0.02], draws=2)
    frame = results.to_frame()
    assert list(frame.attack) == ["fgsm", "fgsm", "spatial_random (draws 2)"]
    assert np.isnan(frame.eps.iloc[-1])
    assert frame.robust_acc.iloc[-1] == results.models[0].spatial[0].standing[0].mean()
    assert [len(row) for row in cells(results)] == [5, 5, 4]
    alone = bench.evaluate(model, x, y, attacks="spatial_random", draws=2)
    with pytest.raises(bench.UsageError, match="no curve to draw"):
        alone.plot()


@pytest.mark.parametrize(("models", "names"), [(1, ["fgsm", "pgd", "worst case"]), (2, ["m0", "m1"])])
def test_curves_go_from_clean_through_the_grid(models: int, names: list[str]) -> None:
    results = make_results(models=[f"m{i}" for i in range(models)])
    before = dict(matplotlib.rcParams)
    axes = results.plot()
    lines = axes.get_lines()
    assert [line.get_label() for line in lines] == names
    model = results.models[-1]
    expected = [model.clean.correct.mean(), *model.worst().mean(axis=1)]
    assert lines[-1].get_xdata() == pytest.approx([0, 0.02, 0.05, 0.1, 0.15])
    assert np.asarray(lines[-1].get_ydata()) == pytest.approx(100 * np.array(expected))
    assert dict(matplotlib.rcParams) == before
    assert results.plot(axes) is axes
    matplotlib.pyplot.close(axes.figure)


def test_an_eps_of_0_stands_for_clean() -> None:
    results = make_results(models=("m",), attacks=("pgd",), eps=(0.0, 0.1))
    shorter = replace(results, setting=replace(results.setting, eps=(0.0, 0.1)))
    (line,) = shorter.plot().get_lines()
    assert list(line.get_xdata()) == [0.0, 0.1]
