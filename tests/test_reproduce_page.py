"""The page beside the paper: every printed number in its place, its numbers those of the arrays, self-contained."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bench.errors import UsageError
from bench.paper import CLAIMS, SECTIONS, Reproduction, numbers, rows, statements
from bench.paper.across import across_protocols
from bench.paper.settings import points
from bench.protocols import SOUND, own_script
from bench.report.reproduce_figures import across_figure, curve_figures
from bench.report.reproduce_page import chapters, spread_rows, write_reproduction
from bench.stats import mean_score, wilson
from tests.paper_factory import EPS, FOUR, MODELS, full, model_of
from tests.test_report import NASTY, tables

EMPTY = Reproduction(dataset="digits", beside="cifar10", relation="other", command="bench reproduce --all")


@pytest.fixture(scope="module")
def run() -> Reproduction:
    return full()


@pytest.fixture(scope="module")
def page(run: Reproduction, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_reproduction(run, tmp_path_factory.mktemp("reports"))


def number_of(text: str) -> float:
    return float(text.split()[0].replace("−", "-"))


@pytest.mark.parametrize("measured", [True, False])
def test_every_printed_row_is_on_the_page_once(page: Path, measured: bool, tmp_path: Path):
    html = (page if measured else write_reproduction(EMPTY, tmp_path)).read_text("utf-8")
    found = Counter(re.findall(r'<tr data-row="([\w:]+)"', html))
    assert found == Counter(f"{row.file}:{row.line}" for row in (*numbers(), *statements()))
    for id in SECTIONS:
        section = html[html.index(f'<section id="{id}">') :]
        inside = re.findall(r'<tr data-row="([\w:]+)"', section[: section.index("</section>")])
        printed = {f"{row.file}:{row.line}" for row in (*numbers(), *statements()) if row.section == id}
        assert set(inside) == printed


def test_numbers_are_those_of_the_arrays(run: Reproduction, page: Path):
    sound = run.results[0]
    curve = next(c for c in model_of(sound, "parallel_gcnn").curves if c.request.attack == "pgd")
    at = EPS.index(0.05)
    found = [
        row
        for row in rows(run, "figure2", "cifar10")
        if (row.published.name, row.published.attack, row.published.eps) == ("parallel_gcnn", "pgd", 0.05)
    ]
    (row,) = found
    released, ours = row.sides
    assert released is not None
    assert ours is not None
    assert released.protocol == own_script("parallel_gcnn").label
    assert (released.share.n, ours.share) == (60, wilson(int(curve.standing[at].sum()), 100))
    assert ours.digest == curve.digest[at]
    assert ours.difference is not None
    assert ours.difference[0] == pytest.approx(ours.share.value - row.published.accuracy)
    # and on the page
    table = tables(page.read_text("utf-8"), "published")
    shown = [r for t in table for r in t[2:] if r[0][0].startswith("parallel_gcnn, 10") and r[2][0] == "pgd"]
    line = next(r for r in shown if r[3][0] == "0.05")
    assert float(line[4][1]["data-value"] or "nan") == pytest.approx(row.published.accuracy)
    assert float(line[7][1]["data-value"] or "nan") == pytest.approx(ours.share.value, abs=1e-7)
    assert number_of(line[8][0]) == pytest.approx(100 * ours.difference[0], abs=0.051)


def test_what_is_not_measured_says_so(run: Reproduction, page: Path):
    found = {row.published.dataset: row for row in rows(run, "figure2")}
    assert found["cifar100"].sides == (None, None)
    assert found["cifar100"].command == (
        "bench reproduce --figure 2 --dataset cifar100 --download --budget full"
    )
    html = page.read_text("utf-8")
    section = html[html.index('<section id="table3">') : html.index('<section id="table4">')]
    assert section.count("not measured here") == 16
    assert "bench reproduce --table 3 --dataset cifar100 --download --budget full" in section


def test_corrupted_rows_count_base_images(run: Reproduction):
    found = {
        (row.published.model, row.published.corruption, row.published.eps): row for row in rows(run, "table1")
    }
    images = next(each for each in run.corrupted if each.results.setting.protocol == SOUND.label)
    standing = model_of(images.results, "parallel_gcnn").curves[0].standing[0]
    of = images.groups
    side = found["parallel_gcnn", "fog", 0.01].sides[1]
    assert side is not None
    assert side.share.n == 4
    assert side.share.value == pytest.approx(standing[of.corruption == 1].mean())
    assert side.difference is None  # these are not CIFAR-10-C
    mean = found["parallel_gcnn", "mean_of_19", 0.01].sides[1]
    assert mean is not None
    assert mean.share.value == pytest.approx(standing.mean())
    assert found["parallel_gcnn", "spatter", 0.01].sides == (None, None)
    baseline = found["baseline_cnn", "fog", 0.01].sides[0]
    assert baseline is not None
    assert baseline.protocol == own_script("baseline_cnn", corrupted=True).label
    by_corruption = [standing[of.corruption == i].mean() for i in range(3)]
    spread = next(each for each in spread_rows(run) if each.printed.model == "parallel_gcnn")
    assert spread.ours[1] == pytest.approx(np.std(by_corruption, ddof=1))


def test_no_difference_to_numbers_of_other_images(run: Reproduction):
    other = dataclasses.replace(run, relation="other")
    sides = [side for row in rows(other, "table4") for side in row.sides if side]
    assert sides
    assert all(side.difference is None for side in sides)
    assert "a data set the paper does not use" in points(other)[0].here


def test_the_same_weights_under_every_protocol(run: Reproduction):
    across = across_protocols(run)
    assert across.models == MODELS
    assert across.eps == FOUR
    assert across.n == 60
    assert across.protocols[-1] == SOUND.label
    assert len(across.shares) == len(MODELS) * len(across.protocols) * 2
    curve = next(c for c in model_of(run.results[0], MODELS[0]).curves if c.request.attack == "fgsm")
    at = [EPS.index(eps) for eps in FOUR]
    expected = mean_score(curve.standing[at][:, :60].mean(0))
    assert across.shares[MODELS[0], SOUND.label, "fgsm"] == expected
    assert not across_protocols(dataclasses.replace(run, results=run.results[:1])).shares


def test_figures_draw_what_was_measured(run: Reproduction):
    figures = curve_figures(rows(run, "figure2", "cifar10"), "f")
    assert [(each.name, each.attacks) for each in figures] == [
        (name, 2)
        for name in ("baseline_cnn", "parallel_gcnn", "parallel_gcnn_rs", "cascaded_gcnn", "weighted_gcnn_rs")
    ]
    assert all(each.svg.startswith("<svg") and each.name in each.svg for each in figures)
    assert curve_figures(rows(run, "figure2", "cifar100"), "f") == []


def test_figure_of_protocols(run: Reproduction):
    few = [dataclasses.replace(each, models=each.models[:2]) for each in run.results]
    across = across_protocols(dataclasses.replace(run, results=tuple(few)))
    svg, files = across_figure(across, "f")
    assert all(text in svg for text in (*MODELS[:2], *across.protocols))
    assert sorted(files) == ["f-across.png", "f-across.svg"]
    assert files == across_figure(across, "f")[1]


def test_page_has_every_claim_and_asks_for_nothing_outside(run: Reproduction, page: Path):
    html = page.read_text("utf-8")
    assert page.name == "paper-cifar10-jpeg.html"
    for claim in CLAIMS:
        assert f'id="claim-{claim.id}"' in html
    for value in re.findall(r'(?:src|href|action)="([^"]*)"', html):
        assert value.startswith("#"), value
    assert not re.search(r"@import|<link|<iframe|<script|fetch\(|url\((?!#)", html)
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert {each.lstrip("#") for each in re.findall(r'href="(#[^"]+)"', html)} <= set(ids)
    assert html.index('id="setting"') < html.index('id="claims"') < html.index('id="table1"')
    assert (page.parent / "figures" / "paper-cifar10-jpeg-across.svg").exists()
    assert html.count('<a href="#claim-') == 6  # every statement of the text but that on five seeds
    tested = tables(html, "tests")[0][1:]
    assert len(tested) == 2 * sum(len(claim.tests) for claim in CLAIMS)


def test_partial_runs_draw_partial_pages(run: Reproduction, tmp_path: Path):
    html = write_reproduction(EMPTY, tmp_path).read_text("utf-8")
    assert 'id="protocols"' not in html
    assert html.count("<strong>Not measured here.</strong>") == 12  # tables by data set, and Figure 5
    few = dataclasses.replace(run.results[0], models=run.results[0].models[:1])
    only = dataclasses.replace(run, results=(few,), corrupted=(), mip=None, sections=("figure2",))
    html = write_reproduction(only, tmp_path).read_text("utf-8")
    assert "This run was not asked for Table 2" in html
    assert "This run was not asked for Figure 2" not in html
    assert [each.section.id for each in chapters(only) if each.asked] == ["figure2"]
    failed = dataclasses.replace(EMPTY, failed=("parallel_gcnn pgd: no memory",))
    assert "1 cell failed" in write_reproduction(failed, tmp_path).read_text("utf-8")


def test_page_escapes_what_a_user_supplies(tmp_path: Path):
    nasty = dataclasses.replace(
        EMPTY,
        **dict.fromkeys(("dataset", "data_note", "training", "command", "budget", "options"), NASTY),
        versions={NASTY: NASTY},
        failed=(NASTY,),
    )
    path = write_reproduction(nasty, tmp_path)
    html = path.read_text("utf-8")
    assert "<script" not in html
    assert "a&lt;script&gt;$x_1$&amp;&#34;b" in html
    assert re.fullmatch(r"[A-Za-z0-9._-]+\.html", path.name)


def test_a_place_that_cannot_be_written(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write the report"):
        write_reproduction(EMPTY, tmp_path / "file" / "below")
