"""The index says what each page of a folder found, and nothing of other files."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from bench.pages.index import NAME, entries, write_index
from bench.studies import attacked
from bench.studies.mip.page import write_mip_page
from tests.factory import make_results
from tests.studies.mip.test_mip import results as mip_results

OLD = (
    '<meta charset="utf-8">\n<meta name="symbench-digest" content="1" data-figures="">\n'
    "<title>old: adversarial robustness</title>"
)


def test_every_page_is_listed_with_its_finding_by_whatever_wrote_it(tmp_path: Path) -> None:
    attacked.write(make_results(models=("good", "b<i>"), n=40, samples=0, failed=("b: boom",)), (), tmp_path)
    write_mip_page(mip_results(), (), tmp_path)
    found = {each.file: each for each in entries(tmp_path)}
    assert set(found) == {"digits.html", "digits-mip.html"}
    page, text = found["digits.html"], (tmp_path / NAME).read_text("utf-8")
    assert (page.dataset, page.study, page.failed) == ("digits", "adversarial robustness", 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", page.drawn)
    assert "worst-case accuracy" in page.finding
    assert "No model was audited." in page.verdict
    assert 'href="digits-mip.html"' in text
    assert "1 cell failed" in text
    assert "b<i>" not in text


def test_the_index_is_drawn_again_where_a_page_changes_and_only_there(tmp_path: Path) -> None:
    results = make_results(models=("one",), n=40, samples=0)
    attacked.write(results, (), tmp_path)
    before = (tmp_path / NAME).stat().st_mtime_ns
    attacked.write(results, (), tmp_path)
    assert (tmp_path / NAME).stat().st_mtime_ns == before
    attacked.write(replace(results, failed=("one: boom",)), (), tmp_path)
    assert "1 cell failed" in (tmp_path / NAME).read_text("utf-8")


def test_pages_of_older_versions_are_listed_and_other_files_are_not(tmp_path: Path) -> None:
    (tmp_path / "old.html").write_text(OLD)
    (tmp_path / "notes.html").write_text("<title>notes of mine</title>")
    (entry,) = entries(tmp_path)
    assert (entry.file, entry.dataset, entry.study, entry.finding) == (
        "old.html",
        "old",
        "adversarial robustness",
        "",
    )
    text = write_index(tmp_path).read_text("utf-8")
    assert "older version" in text
    assert "notes" not in text
