"""The page beside the paper: every printed number in its place, its numbers those of the arrays, self-contained."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bench.engine.protocols import SOUND, own_script
from bench.errors import UsageError
from bench.numbers.stats import mean_score, wilson
from bench.studies.paper import CLAIMS, SECTIONS, Reproduction, judge, numbers, rows, statements
from bench.studies.paper.across import across_protocols
from bench.studies.paper.compare import as_released
from bench.studies.paper.figures import across_figure, curve_figures
from bench.studies.paper.page import chapters, spread_rows, write_reproduction
from bench.studies.paper.provenance import origins
from bench.studies.paper.screen import sections_table
from bench.studies.paper.sections import remedy
from bench.studies.paper.settings import BOTH, NEITHER, points
from bench.studies.paper.trainings import over_trainings
from bench.studies.robustness.results import Results
from tests.paper_factory import EPS, FOUR, MODELS, full, model_of, outcomes, stands
from tests.studies.attacked.test_report import NASTY, tables
from zoo.entries import ENTRIES

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
    assert found["cifar100"].command == remedy(["figure2"], "cifar100")
    html = page.read_text("utf-8")
    section = html[html.index('<section id="table3">') : html.index('<section id="table4">')]
    assert section.count("not measured here") == 16
    assert "bench reproduce --table 3 --dataset cifar100 --download --budget full" in section
    assert "bench train $m --dataset cifar100 --download" in section


def section_of(html: str, id: str) -> str:
    return html[html.index(f'<section id="{id}">') :].partition("</section>")[0]


def test_what_is_made_here_is_never_called_cifar10c(run: Reproduction, page: Path):
    section = section_of(page.read_text("utf-8"), "table1")
    called = "3 of 19 corruptions made here of cifar10-copy"
    assert f"<h3>Published: CIFAR-10-C. Ours: {called}</h3>" in section
    assert "<strong>No CIFAR-10-C number was measured.</strong>" in section
    assert "with one of ours beside" in section
    assert "measured here</summary>" not in section
    assert "bench reproduce --table 1 --dataset cifar10c --data-root $DATA --weights-from cifar10" in section
    for row in rows(run, "table1"):
        assert all(side.dataset == "corrupted-cifar10-copy" for side in row.sides if side)
    (point,) = (each for each in points(run) if each.topic == "CIFAR-10-C")
    assert f"{called}; 4 images under each. These are not CIFAR-10-C" in point.here


def test_the_table_of_sections_counts_only_cifar10c(run: Reproduction, capsys: pytest.CaptureFixture[str]):
    sections_table(run)
    lines = [[cell.strip() for cell in line.split("│")] for line in capsys.readouterr().out.splitlines()]
    table1 = [line for line in lines if line[1:2] == ["Table 1"]]
    assert table1[0][2:7] == ["CIFAR-10-C", "400", "0", "0", "400"]
    assert table1[1][2].startswith("3 of 19")
    assert table1[1][3:7] == ["–", "80", "80", "–"]  # 3 corruptions and their mean, 5 models, 4 ε


def test_parallel_as_its_script_trains_it_is_shown_beside(run: Reproduction, page: Path):
    html = page.read_text("utf-8")
    found = as_released(run, "figure2", "cifar10")
    assert {(row.name, row.published.name) for row in found} == {("parallel_gcnn.fgsm_mix", "parallel_gcnn")}
    assert len(found) == 30
    assert section_of(html, "figure2").count('<tr class="also">') == 30
    assert section_of(html, "figure2").count("as the script trains it") == 30
    without = dataclasses.replace(
        run,
        results=tuple(
            dataclasses.replace(each, models=tuple(m for m in each.models if "fgsm_mix" not in m.info.name))
            for each in run.results
        ),
    )
    assert not as_released(without, "figure2")
    (point,) = (each for each in points(without) if each.topic == "Parallel GCNN")
    assert "is not measured here" in point.here


def test_models_without_a_script_are_labelled(run: Reproduction, page: Path):
    section = section_of(page.read_text("utf-8"), "table4")
    assert section.count("<small>script of baseline_cnn</small>") == sum(
        bool(side and side.borrowed) for row in rows(run, "table4") for side in row.sides
    )
    assert "No script was published for baseline_cnn.pgd_at: released uses that of baseline_cnn" in (
        section_of(page.read_text("utf-8"), "figure1") + section
    )


def test_provenance_has_the_digest_of_every_number(run: Reproduction, page: Path):
    section = section_of(page.read_text("utf-8"), "provenance")
    sides = [side for id in SECTIONS for row in rows(run, id) for side in row.sides if side]
    assert sides
    for side in sides:
        assert f"<code>{side.digest[:16]}</code>" in section
    assert run.mip is not None
    removed = [of for of in origins(run) if of.digests[0][0] == "removed pixels"]
    assert [of.model.name for of in removed] == [model.info.name for model in run.mip.models]
    html = page.read_text("utf-8")
    for id in ("protocols", "table1", "figure5"):
        assert f"Made by <code>{run.command}</code>" in section_of(html, id)


@pytest.mark.slow
def test_several_trainings_have_a_standard_deviation(run: Reproduction, page: Path, tmp_path: Path):
    first = outcomes(
        {"baseline_cnn": stands(100), "baseline_cnn@1": stands(104), "baseline_cnn@2": stands(108)}
    )
    several = dataclasses.replace(run, replicas=(first,))
    (of,) = over_trainings(several)
    assert (of.name, of.column, of.n) == ("baseline_cnn", "sound", 3)
    assert of.largest == pytest.approx(np.std([0.50, 0.52, 0.54], ddof=1))
    assert of.mean == pytest.approx(of.largest)
    text = section_of(write_reproduction(several, tmp_path).read_text("utf-8"), "text")
    assert "sound, baseline_cnn: standard deviation 2.0 points in the mean over attacks and ε" in text
    assert "over 3 trainings" in text
    bare = section_of(page.read_text("utf-8"), "text")
    train = "bench train baseline_cnn@1 --dataset folder:$DATA --name cifar10-copy"
    assert f"<code>{train} &amp;&amp; bench reproduce --all " in bare


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


def test_whole_test_sets_are_said_of_the_numbers_beside_the_papers(run: Reproduction):
    """The figure of all scripts is on fewer images even when the numbers are of all."""

    def sized(results: Results) -> Results:
        own = all(
            results.setting.protocol in (SOUND.label, own_script(model.info.name).label)
            for model in results.models
        )
        return dataclasses.replace(
            results, setting=dataclasses.replace(results.setting, n=10_000 if own else 1000)
        )

    results = tuple(
        sized(dataclasses.replace(each, models=(model,))) for each in run.results for model in each.models
    )
    whole = points(dataclasses.replace(run, relation="same", results=results))[0]
    assert {each.setting.n for each in results} == {1000, 10_000}
    assert (whole.as_in, "first 10,000 test images" in whole.here) == (BOTH, True)
    parts = points(dataclasses.replace(run, relation="same"))[0]
    assert (parts.as_in, "first 10,000" in parts.here) == (NEITHER, False)


def test_the_same_weights_under_every_protocol(run: Reproduction):
    across = across_protocols(run)
    assert across.models == tuple(name for name in ENTRIES if name in MODELS)
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
    assert page.name == "paper-cifar10-copy.html"
    for claim in CLAIMS:
        assert f'id="claim-{claim.id}"' in html
    for value in re.findall(r'(?:src|href|action)="([^"]*)"', html):
        assert value == "index.html" or value.startswith("#"), value
    assert not re.search(r"@import|<link|<iframe|fetch\(|url\((?!#)", html)
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert {each.lstrip("#") for each in re.findall(r'href="(#[^"]+)"', html)} <= set(ids)
    assert html.index('id="claims"') < html.index('id="setting"') < html.index('id="table1"')
    assert (page.parent / "figures" / "paper-cifar10-copy-across.svg").exists()
    text = html[html.index('id="table1"') :]
    assert text.count('<a href="#claim-') == 6  # every statement of the text but that on five seeds
    (head, *lines) = tables(html, "lines")[0]
    assert [text.split()[0] for text, _ in head] == ["#", "Claim", "Sound", "Released", "Alone"]
    assert [line[1][0] for line in lines] == [f"“{claim.quote}”" for claim in CLAIMS]
    for line, judged in zip(lines, judge(run), strict=True):
        verdicts = [judged.outcomes[column].verdict for column in ("sound", "released")]
        alone = judged.outcomes["sound"].alone
        verdicts.append(alone.verdict if alone else "–")
        assert [text for text, _ in line[2:]] == [verdict.removesuffix(" here") for verdict in verdicts]
    tested = tables(html, "tests")[0][1:]
    assert len(tested) == 2 * sum(len(claim.tests) for claim in CLAIMS)


def test_partial_runs_draw_partial_pages(run: Reproduction, tmp_path: Path):
    html = write_reproduction(EMPTY, tmp_path).read_text("utf-8")
    assert 'id="protocols"' not in html
    assert html.count("<strong>Not measured here.</strong>") == 12  # tables by data set, and Figure 5
    few = dataclasses.replace(run.results[0], models=run.results[0].models[:1])
    only = dataclasses.replace(run, results=(few,), corrupted=(), mip=None, sections=("figure2",))
    html = write_reproduction(only, tmp_path).read_text("utf-8")
    assert "This run did not request Table 2" in html
    assert "This run did not request Figure 2" not in html
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
    assert html.count("<script") == 1
    assert "a&lt;script&gt;$x_1$&amp;&#34;b" in html
    assert re.fullmatch(r"[A-Za-z0-9._-]+\.html", path.name)


def test_a_place_that_cannot_be_written(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write the report"):
        write_reproduction(EMPTY, tmp_path / "file" / "below")
