"""The page: self-contained, escaped, and its numbers those of the arrays."""

from __future__ import annotations

import base64
import dataclasses
import io
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.errors import UsageError
from bench.numbers.eps import eps_texts
from bench.pages.format import slug
from bench.pages.images import amplification, data_uri, perturbation
from bench.studies import attacked as report
from bench.studies.attacked.tables import attack_blocks, class_rows, pictures
from bench.studies.robustness import ranking
from bench.studies.robustness.names import attack_names
from bench.studies.robustness.results import ModelResult, Results
from tests.factory import ZOO, make_results

NASTY = 'a<script>$x_1$&"b'


class Cells(HTMLParser):
    """The tables of a page as (class, rows of (text, attributes))."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[tuple[str, list[list[tuple[str, dict[str, str | None]]]]]] = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.tables.append((dict(attrs).get("class") or "", []))
        elif tag == "tr":
            self.tables[-1][1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][1][-1].append(("", dict(attrs)))
            self.inside = True
        elif tag == "small" and self.inside:
            self.handle_data(" ")

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.inside:
            row = self.tables[-1][1][-1]
            row[-1] = (row[-1][0] + data, row[-1][1])


def tables(html: str, kind: str) -> list[list[list[tuple[str, dict[str, str | None]]]]]:
    parser = Cells()
    parser.feed(html)
    return [rows for name, rows in parser.tables if kind in name.split()]


def page(results: Results, directory: Path, *others: Results, note: str = "") -> str:
    return report.write(results, others, directory, data_note=note).read_text("utf-8")


def pixels(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def changed(model: ModelResult, **arrays: np.ndarray) -> ModelResult:
    """The model with arrays of its clean result or of all its curves replaced."""
    clean = {k: v for k, v in arrays.items() if k != "standing"}
    curves = model.curves
    if "standing" in arrays:
        curves = tuple(dataclasses.replace(c, standing=arrays["standing"]) for c in curves)
    return dataclasses.replace(model, clean=dataclasses.replace(model.clean, **clean), curves=curves)


@pytest.fixture(scope="module")
def zoo() -> Results:
    return make_results(models=ZOO, n=120, seed=1)


@pytest.fixture(scope="module")
def zoo_page(zoo: Results, tmp_path_factory: pytest.TempPathFactory) -> str:
    return page(zoo, tmp_path_factory.mktemp("zoo"))


def test_importing_the_package_loads_no_heavy_library():
    heavy = ("matplotlib", "torch", "jinja2")
    code = f"import sys, bench.studies.attacked; print([m for m in {heavy} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_page_asks_for_nothing_outside_itself(zoo_page: str):
    for value in re.findall(r'(?:src|href|action|poster|srcset)="([^"]*)"', zoo_page):
        assert value == "index.html" or value.startswith(("data:", "#")), value
    assert not re.search(r"@import|<link|<iframe|fetch\(|XMLHttpRequest", zoo_page)
    assert not re.search(r"url\((?!#)", zoo_page)
    assert "http" not in zoo_page
    assert 'name="viewport"' in zoo_page


def test_page_of_the_whole_zoo_is_small(zoo_page: str):
    assert len(zoo_page) < 3_000_000


def test_every_internal_reference_has_its_target(zoo_page: str):
    ids = re.findall(r' id="([^"]+)"', zoo_page)
    assert len(ids) == len(set(ids))
    assert {m.lstrip("#") for m in re.findall(r'href="(#[^"]+)"', zoo_page)} <= set(ids)
    assert set(re.findall(r"url\(#([^)]+)\)", zoo_page)) <= set(ids)


def test_headline_numbers_are_those_of_the_arrays(zoo: Results, zoo_page: str):
    rows = tables(zoo_page, "headline")[0][1:]
    by_name = {model.info.name: model for model in zoo.models}
    assert [row[1][1]["data-value"] for row in rows] == [s.name for s in ranking.standings(zoo)]
    for row in rows:
        model = by_name[row[1][1]["data-value"] or ""]
        worst = np.logical_and.reduce([c.standing for c in model.curves]).mean(axis=1)
        expected = [worst.mean(), *worst, model.clean.correct.mean()]
        shares = [cell for cell in row if cell[1].get("class") == "share"]
        for (text, attributes), value in zip(shares, expected, strict=True):
            assert float(attributes["data-value"] or "nan") == pytest.approx(value, abs=1e-8)
            shown, interval = text.split()
            lo, hi = (float(end) for end in interval.split("–"))
            assert shown == f"{100 * value:.1f}"
            assert lo <= float(shown) <= hi
        assert f"{model.info.parameters:,}" in [text for text, _ in row]


def test_headline_is_sorted_by_rank_and_says_so(zoo_page: str):
    head, *rows = tables(zoo_page, "headline")[0]
    assert [a.get("aria-sort") for _, a in head] == ["ascending"] + [None] * (len(head) - 1)
    ranks = [int(row[0][1]["data-value"] or 0) for row in rows]
    assert ranks == sorted(ranks)
    assert all(a.get("scope") == "col" for _, a in head)
    shown = zoo_page[zoo_page.index('<table class="sortable headline">') :]
    buttons = re.findall(r"<th [^>]*><button type=\"button\">", shown[: shown.index("</table>")])
    assert len(buttons) == len(head)


def test_models_under_other_attacks_stand_below_without_a_rank(tmp_path: Path):
    both = make_results(models=("a", "b"))
    alone = make_results(models=("c",), attacks=("fgsm",))
    html = page(dataclasses.replace(both, models=(*alone.models, *both.models)), tmp_path)
    rows = tables(html, "headline")[0][1:]
    assert rows[-1][1][0].split() == ["c", "attacks:", "fgsm", "?", "not", "audited"]
    assert rows[-1][0] == ("–", {"class": "rank", "data-value": ""})
    assert html.count('<tbody class="unranked">') == 1
    assert "not measured" in html


def test_everything_a_user_supplies_is_escaped(tmp_path: Path):
    results = make_results(
        models=(NASTY, "b"), dataset=NASTY, classes=(NASTY, "</style>", "c"), failed=(NASTY,), samples=1
    )
    info = dataclasses.replace(results.models[0].info, trained_on=NASTY, origin=NASTY)
    results = dataclasses.replace(
        results,
        command=NASTY,
        versions={NASTY: NASTY},
        models=(dataclasses.replace(results.models[0], info=info), results.models[1]),
    )
    path = report.write(results, (results,), tmp_path, data_note=NASTY)
    html = path.read_text("utf-8")
    assert html.count("<script") == 1
    assert html.count("</style>") == 1 + html.count('<style type="text/css">')
    assert "a&lt;script&gt;$x_1$&amp;&#34;b" in html
    assert path.parent == tmp_path
    assert re.fullmatch(r"[A-Za-z0-9._-]+\.html", path.name)


def test_failed_cells_are_named(tmp_path: Path):
    assert 'class="failed"' not in page(make_results(n=20), tmp_path)
    html = page(make_results(n=20, failed=("m pgd ε=0.1: outside the ball",)), tmp_path)
    assert 'class="failed"' in html
    assert "m pgd ε=0.1: outside the ball" in html


def test_redrawing_gives_the_same_bytes(tmp_path: Path):
    for name in ("one", "two"):
        report.write(make_results(n=50, seed=5), (make_results(n=20),), tmp_path / name)
    one, two = (
        {p.relative_to(tmp_path / d): p.read_bytes() for p in (tmp_path / d).rglob("*") if p.is_file()}
        for d in ("one", "two")
    )
    assert one == two
    assert Path("digits.html") in one
    assert not [p for p in one if p.suffix == ".part"]


def test_an_unwritable_directory_is_one_clear_error(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot write the report to .*file"):
        report.write(make_results(n=20), (), tmp_path / "file")


def test_eps_are_written_in_the_form_of_their_grid():
    assert eps_texts((1 / 255, 2 / 255, 8 / 255)) == ("1/255", "2/255", "8/255")
    assert eps_texts((0.0, 8 / 255, 51 / 255)) == ("0", "8/255", "51/255")
    assert eps_texts((0.02, 0.05, 0.1, 0.15)) == ("0.02", "0.05", "0.1", "0.15")
    assert eps_texts((0.2, 0.4, 1.0)) == ("0.2", "0.4", "1")
    assert eps_texts((0.01, 8 / 255)) == ("0.01", "8/255")
    assert eps_texts((0.123456,)) == ("0.123456",)
    assert eps_texts(()) == ()


def test_slugs_are_safe_and_do_not_meet():
    assert slug("digits") == "digits"
    assert slug("cifar10-copy") == "cifar10-copy"
    unsafe = ["a/b", "a b", "../a-b", "", "...", "a" * 300, "данные"]
    assert len({slug(name) for name in unsafe} | {"a-b"}) == len(unsafe) + 1
    for name in unsafe:
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{1,80}", slug(name))


def test_perturbation_is_amplified_around_mid_grey():
    clean = np.array([[[0.2, 0.5], [0.9, 0.0]]], np.float32)
    attacked = clean + np.array([[[0.1, -0.1], [0.05, 0.0]]], np.float32)
    assert amplification(clean, attacked) == 5
    np.testing.assert_allclose(perturbation(clean, attacked, 5), [[[1, 0], [0.75, 0.5]]], atol=1e-6)
    assert amplification(clean, clean) == 1
    assert amplification(clean, clean + np.float32(0.9)) == 1


def test_images_become_the_pngs_they_are():
    grey = np.array([[[0.0, 1.0], [0.5, 0.2]]], np.float32)
    np.testing.assert_array_equal(pixels(data_uri(grey)), [[0, 255], [128, 51]])
    colour = np.random.default_rng(0).random((3, 4, 5)).astype(np.float32)
    np.testing.assert_array_equal(pixels(data_uri(colour)), np.rint(255 * colour.transpose(1, 2, 0)))
    assert pixels(data_uri(np.zeros((2, 4, 5)))).shape == (4, 5)


def test_gallery_shows_the_samples_of_a_model():
    results = make_results(models=("m",), samples=2, channels=3, size=8)
    sample = results.models[0].samples[1]
    picture = pictures(results.models[0], ("zero",), {sample.eps: "E"})[1]
    np.testing.assert_array_equal(pixels(picture.attacked), np.rint(255 * sample.attacked.transpose(1, 2, 0)))
    assert picture.eps == "E"
    assert picture.predicted == ("zero" if sample.predicted == 0 else str(sample.predicted))


def test_accuracy_by_class_on_known_arrays():
    results = make_results(models=("m",), n=4, eps=(0.1,), classes=("a", "b", "c"))
    label, correct = np.array([0, 0, 1, 1]), np.array([True, True, True, False])
    standing = np.array([[True, False, False, False]])
    model = changed(results.models[0], label=label, correct=correct, standing=standing)
    results = dataclasses.replace(results, models=(model,))
    row = class_rows(results, ranking.standings(results), 0)[0]
    np.testing.assert_array_equal(row.clean, [1, 0.5, np.nan])
    np.testing.assert_array_equal(row.worst, [0.5, 0, np.nan])


def test_the_table_by_class_is_left_out_where_there_are_too_many(tmp_path):
    for classes, shown in ((100, True), (101, False)):
        results = make_results(models=("m",), n=4, eps=(0.1,), classes=[f"class {i}" for i in range(classes)])
        page = report.write(results, (), tmp_path / str(classes)).read_text("utf-8")
        assert ("class 99<small>" in page, "There are 101 classes, too many" in page) == (shown, not shown)


def test_attack_table_keeps_both_denominators_and_counts():
    results = make_results(models=("m",), n=4, eps=(0.1,), attacks=("pgd",))
    correct, standing = np.array([True, True, False, False]), np.array([[True, False, False, False]])
    grad_norm = np.array([0.0, 1.0, 0.0, 2.0])
    model = changed(results.models[0], correct=correct, standing=standing, grad_norm=grad_norm)
    results = dataclasses.replace(results, models=(model,))
    block = attack_blocks(ranking.standings(results), list(attack_names(results)), ("0.1",))[0]
    cell = block.rows[0].cells[0]
    assert cell is not None
    assert cell.of_right is not None
    assert (cell.of_all.value, cell.of_right.value) == (0.25, 0.5)
    assert block.vanished == 2


@pytest.mark.parametrize("right", [True, False])
def test_all_or_no_images_right(right: bool, tmp_path: Path):
    results = make_results(models=("m",), n=30)
    shape = results.models[0].curves[0].standing.shape
    model = changed(results.models[0], correct=np.full(shape[1], right), standing=np.full(shape, right))
    html = page(dataclasses.replace(results, models=(model,)), tmp_path)
    rows = tables(html, "headline")[0][1:]
    shown = {text.split()[0] for text, a in rows[0] if a.get("class") == "share"}
    assert shown == {"100.0" if right else "0.0"}


def test_the_smallest_page(tmp_path: Path):
    results = make_results(models=("m",), n=1, eps=(8 / 255,), attacks=("fgsm",), samples=0)
    html = page(results, tmp_path)
    assert "No attacked images are kept" in html
    assert "ε = 8/255" in html


def test_recipes_of_which_only_the_abstract_was_read_are_named(zoo_page: str, tmp_path: Path):
    few = {"n": 1, "eps": (8 / 255,), "attacks": ("fgsm",), "samples": 0}
    both = page(
        make_results(models=("baseline_cnn_4.last", "baseline_cnn", "equivariant_gcnn.afa"), **few), tmp_path
    )
    assert "We read only the abstracts of the papers behind the recipes last, afa." in both
    one = page(make_results(models=("baseline_cnn_4.jsigr", "baseline_cnn.pgd_at"), **few), tmp_path)
    assert "We read only the abstract of the paper behind the recipe jsigr." in one
    assert "the abstract" not in zoo_page
    own = make_results(models=("baseline_cnn.afa",), **few)
    own = dataclasses.replace(
        own,
        models=tuple(
            dataclasses.replace(m, info=dataclasses.replace(m.info, origin="file")) for m in own.models
        ),
    )
    assert "the abstract" not in page(own, tmp_path)


def test_a_model_without_samples_has_no_gallery_entry(tmp_path: Path):
    results = make_results(models=("with", "without"), n=20, samples=1)
    bare = dataclasses.replace(results.models[1], samples=())
    html = page(dataclasses.replace(results, models=(results.models[0], bare)), tmp_path)
    assert "<summary>with</summary>" in html
    assert "<summary>without</summary>" not in html


def test_a_page_without_models_still_names_what_failed(tmp_path: Path):
    results = dataclasses.replace(make_results(n=20), models=(), failed=("m: boom",))
    html = page(results, tmp_path)
    assert "m: boom" in html
    assert "<table" not in html


def test_other_settings_follow_with_their_own_tables(tmp_path: Path):
    other = make_results(models=("old",), n=50, eps=(1 / 255,), attacks=("fgsm",))
    html = page(make_results(n=20), tmp_path, other)
    rows = tables(html, "headline")[1]
    assert rows[1][1][1]["data-value"] == "old"
    assert "ε = 1/255" in rows[0][3][0]


def test_provenance_names_what_was_computed(zoo: Results, zoo_page: str):
    for model in zoo.models:
        assert model.info.weights in zoo_page
        assert all(digest in zoo_page for curve in model.curves for digest in curve.digest)
    assert zoo.setting.data in zoo_page
    assert zoo.command in zoo_page


def test_provenance_has_every_command_of_the_page(tmp_path: Path):
    one = make_results(n=20)
    assert "This command makes the page again, with the same numbers (" in page(one, tmp_path)
    two = dataclasses.replace(
        one, command="bench run --model m --attacks pgd\nbench run --model n --attacks pgd"
    )
    html = page(two, tmp_path)
    assert "These commands, in this order, make the page again, with the same numbers (" in html
    assert two.command in html


def test_independent_curves_are_described_as_such(tmp_path: Path):
    html = page(make_results(n=20, curve="independent"), tmp_path)
    assert "Independent: every ε" in html
    assert "Cumulative:" not in html
