"""The CLEVER page: self-contained, escaped, and its numbers those of the arrays."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from bench.errors import UsageError
from bench.pages.format import significant
from bench.studies.clever.figures import BANDS, bands, points
from bench.studies.clever.page import write_clever_page
from bench.studies.clever.results import CleverResults
from bench.studies.clever.tables import FLAGS, fit_rows, rows
from tests.clever_factory import TARGETS, changed, make_clever
from tests.factory import ZOO
from tests.studies.attacked.test_report import NASTY, tables


def page(results: CleverResults, directory: Path, *others: CleverResults) -> str:
    return write_clever_page(results, others, directory).read_text("utf-8")


@pytest.fixture(scope="module")
def results() -> CleverResults:
    return make_clever()


@pytest.fixture(scope="module")
def directory(results: CleverResults, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("page")
    write_clever_page(results, (make_clever(engine="evt", seed=3),), directory)
    return directory


@pytest.fixture(scope="module")
def html(directory: Path) -> str:
    return (directory / "digits-clever.html").read_text("utf-8")


def test_table_shows_the_numbers_of_the_arrays(results: CleverResults, html: str):
    by_name = {model.info.name: model for model in results.models}
    table = tables(html, "scores")[0][1:]
    assert len(table) == 3
    medians = [float(row[1][1]["data-value"] or "nan") for row in table]
    assert medians == sorted(medians, reverse=True)
    for row in table:
        model = by_name[row[0][0].strip()]
        a, right = model.arrays, model.arrays["standing"]
        broken = np.where(np.isnan(a["distance"]), np.inf, a["distance"])
        expected = [
            np.median(a["score"]),
            a["score"].mean(),
            np.median(broken),
            (a["score"] > a["distance"])[right].mean(),
            (~right).sum(),
            a["censored"][right].mean(),
            a["fallback"][right].mean(),
            a["zero_gradient"][right].mean(),
            len(model.raised()),
            model.info.parameters,
            model.seconds,
        ]
        for (text, attributes), value in zip(row[1:], expected, strict=True):
            assert float(attributes["data-value"] or "nan") == pytest.approx(
                float(value), rel=1e-7, abs=1e-8
            ), text
        assert row[1][0].split()[0] == significant(float(np.median(a["score"])))
        assert row[1][0].split()[1] == "–".join(significant(end) for end in model.median_interval()[1:])
        assert row[3][0].split()[1:] == f"{np.isfinite(a['distance'][right]).sum()} of {right.sum()}".split()
        assert row[9][0].split(", ") == [FLAGS[name].word for name in model.raised()]


def test_fits_are_those_of_the_arrays(results: CleverResults, html: str):
    by_name = {model.info.name: model for model in results.models}
    for row in tables(html, "fits")[0][1:]:
        a = by_name[row[0][0].strip()].arrays
        p, right = a["ks_p"][a["standing"]], a["standing"]
        ratio = a["lipschitz"][right] / a["largest_sample"][right]
        none = np.isnan(p).mean()
        shares = ((p >= 0.05).mean(), ((p >= 0.001) & (p < 0.05)).mean(), (p < 0.001).mean(), none)
        expected = (
            p.size,
            np.nanmedian(p),
            *shares,
            a["fallback"][right].mean(),
            np.median(ratio),
            ratio.max(),
        )
        found = [float(attributes["data-value"] or "nan") for _, attributes in row[1:]]
        assert found == pytest.approx(expected, rel=1e-7, abs=1e-8)
        assert sum(shares) == pytest.approx(1)


def test_other_engines_get_a_cell_each(html: str):
    head, *body = tables(html, "engines")[0]
    assert [text for text, _ in head] == ["Model", "art against batched", "evt against batched"]
    said = {row[0][0].strip(): [text for text, _ in row[1:]] for row in body}
    assert said["baseline_cnn"] == ["3.10 % larger", "no image to compare"]
    assert said["parallel_gcnn"] == ["3.10 % larger", "–"]


def test_the_page_says_what_clever_is_not(html: str):
    assert "certifies nothing" in html
    assert "L2 ball of radius 2 " in html
    assert "50 maxima of 100 gradients each, drawn from a pool of 1,000" in html
    for flag in FLAGS.values():
        assert flag.advice in re.sub(r"</?code[^>]*>", "", html)


def test_panels_count_what_they_draw(results: CleverResults, html: str):
    for model in results.models:
        of = points(model)
        assert of is not None
        right = model.right
        above = (model.scores > model.arrays["distance"])[right]
        assert (of.above == above).all()
        assert f"{above.sum()} of {right.sum()} above the attack" in html
        assert sum(bands(model)) == pytest.approx(1)
        assert len(bands(model)) == len(BANDS)


def test_page_asks_for_nothing_outside_itself(html: str):
    for value in re.findall(r'(?:src|href|action|poster|srcset)="([^"]*)"', html):
        assert value == "index.html" or value.startswith(("data:", "#")), value
    assert not re.search(r"@import|<link|<iframe|fetch\(|XMLHttpRequest|url\((?!#)|http", html)
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert {m.lstrip("#") for m in re.findall(r'href="(#[^"]+)"', html)} <= set(ids)
    assert set(re.findall(r"url\(#([^)]+)\)", html)) <= set(ids)


def test_figures_lie_beside_the_page(directory: Path):
    names = {path.name for path in (directory / "figures").iterdir()}
    assert names == {f"digits-clever-{kind}.{end}" for kind in ("sandwich", "fits") for end in ("svg", "png")}


def test_redrawing_gives_the_same_bytes(results: CleverResults, directory: Path, tmp_path: Path):
    write_clever_page(results, (make_clever(engine="evt", seed=3),), tmp_path)
    one, two = ({p.name: p.read_bytes() for p in d.rglob("*") if p.is_file()} for d in (directory, tmp_path))
    assert one == two


def test_other_settings_are_compact_tables(html: str):
    assert "<summary>evt: L2, radius 2, first 40 images, 50 × 20, against all other classes, seed 0" in html
    assert len(tables(html, "scores")) == 2
    assert len(tables(html, "scores")[1]) == 4


def test_everything_a_user_supplies_is_escaped(tmp_path: Path):
    base = make_clever((NASTY,), n=10, dataset=NASTY, failed=(NASTY,))
    model = base.models[0]
    info = dataclasses.replace(model.info, trained_on=NASTY, origin=NASTY)
    base = dataclasses.replace(
        base,
        models=(dataclasses.replace(model, info=info, library=NASTY, compared={NASTY: 2.5}),),
        versions={NASTY: NASTY},
        command=NASTY,
    )
    path = write_clever_page(base, (base,), tmp_path)
    html = path.read_text("utf-8")
    assert html.count("<script") == 1
    assert html.count("</style>") == 1 + html.count('<style type="text/css">')
    assert "a&lt;script&gt;$x_1$&amp;&#34;b" in html
    assert "2.50 times ours" in html
    assert path.parent == tmp_path
    assert re.fullmatch(r"[A-Za-z0-9._-]+-clever\.html", path.name)


def test_many_models_are_grouped_by_architecture(tmp_path: Path):
    html = page(make_clever(ZOO[::2], n=8), tmp_path)
    groups = re.findall(r"<h3>([a-z_]+)</h3>", html)
    assert sorted(groups) == sorted({name.partition(".")[0].removesuffix("_4") for name in ZOO[::2]})
    assert len(html) < 3_000_000


def test_failed_cells_are_named(html: str, tmp_path: Path):
    assert 'class="failed"' not in html
    failed = page(make_clever((), failed=("m: gradients are not finite",)), tmp_path)
    assert 'class="failed"' in failed
    assert "m: gradients are not finite" in failed
    assert "No model was scored." in failed


def test_all_wrong(tmp_path: Path):
    empty = np.full((40, TARGETS), np.nan)
    results = changed(
        make_clever(),
        standing=np.zeros(40, bool),
        score=np.zeros(40),
        distance=np.zeros(40),
        fallback=np.zeros((40, TARGETS), bool),
        ks_p=empty,
        lipschitz=empty,
        largest_sample=empty,
    )
    html = page(results, tmp_path)
    (row,) = rows(results)
    assert (row.median, row.wrong, row.right, row.flags) == (0, 40, 0, ())
    assert np.isnan(list(row.shares.values())).all()
    assert "no image classified rightly" in html
    assert fit_rows(results.models)[0].pairs == 0


def test_all_censored_without_gradients(tmp_path: Path):
    base = make_clever()
    right, shape = base.models[0].right, (40, TARGETS)
    results = changed(
        base,
        score=np.where(right, 2.0, 0.0),
        censored=right,
        zero_gradient=right,
        lipschitz=np.zeros(shape),
        largest_sample=np.zeros(shape),
        ks_p=np.full(shape, np.nan),
    )
    html = page(results, tmp_path)
    assert "zero gradients" in html
    assert "mostly censored" in html
    assert np.isnan(fit_rows(results.models)[0].largest)


def test_an_attack_that_found_nothing_is_no_upper_bound(tmp_path: Path):
    base = make_clever()
    results = changed(base, distance=np.where(base.models[0].right, np.nan, 0.0))
    html = page(results, tmp_path)
    right = int(base.models[0].right.sum())
    row = tables(html, "scores")[0][1]
    assert row[3][0].strip() == f"∞ 0 of {right}"
    assert f"{right} not broken" in html


def test_without_an_attack_there_is_no_sandwich(tmp_path: Path):
    html = page(make_clever(("one",), attacked=False), tmp_path)
    assert "No attack was run" in html
    assert not (tmp_path / "figures" / "digits-clever-sandwich.svg").exists()
    assert tables(html, "scores")[0][1][4][0] == "– no attack"


def test_a_runaway_fit_is_shown(tmp_path: Path):
    base = make_clever()
    model = base.models[0]
    lipschitz = model.arrays["lipschitz"].copy()
    first = int(model.right.argmax())
    lipschitz[first, 0] = 29_742 * model.arrays["largest_sample"][first, 0]
    assert "29,742" in page(changed(base, lipschitz=lipschitz), tmp_path)


def test_an_unwritable_directory_is_one_clear_error(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot write the report to .*file"):
        write_clever_page(make_clever(()), (), tmp_path / "file")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.063, "0.0630"),
        (1.2, "1.20"),
        (99.97, "100"),
        (29742.4, "29,742"),
        (1.23e-5, "1.23e-05"),
    ],
)
def test_significant(value: float, text: str):
    assert significant(value) == text
    assert (significant(float("nan")), significant(float("inf"))) == ("–", "∞")
