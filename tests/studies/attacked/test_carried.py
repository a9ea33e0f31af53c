"""A run in a fresh store takes nothing away from what ships: verdicts, rows and pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.engine.store import MemoryStore
from bench.leaderboard.file import merge, read
from bench.pages import kept
from bench.pages.frame import write
from bench.studies.attacked.carried import all_verdicts, carried, carry, page_marks
from bench.studies.attacked.study import STUDY, Attacked
from bench.studies.audit.section import Mark
from bench.studies.robustness.evaluation import Finished
from bench.studies.robustness.results import Results
from bench.studies.robustness.rows import rows
from tests.factory import make_results
from zoo import notes


def place_of(results: Results) -> tuple[str, str]:
    return results.models[0].info.weights, results.setting.data


def test_new_rows_of_audited_weights_have_the_verdict_of_the_file(tmp_path: Path) -> None:
    path, results = tmp_path / "leaderboard.csv", make_results(models=("a",), n=50, eps=(0.02, 0.2))
    merge(path, rows(results, {place_of(results): "upper_bound(full)"}))
    before = path.read_bytes()
    elsewhere = [{**row, "backend": "cpu torch 9.9"} for row in rows(results)]
    written = merge(path, elsewhere)
    assert {row["audit"] for row in written} == {"upper_bound(full)"}
    assert len(read(path)) == 2 * len(elsewhere)
    assert path.read_bytes() == before  # equal numbers: the older rows are shown


def test_the_same_numbers_keep_their_time_and_date(tmp_path: Path) -> None:
    path, results = tmp_path / "leaderboard.csv", make_results(models=("a",), n=50)
    merge(path, rows(results))
    files = [path, *(tmp_path / "reports").iterdir()]
    before = [file.read_bytes() for file in files]
    merge(path, [{**row, "seconds": 99.0} for row in rows(results)])
    assert [file.read_bytes() for file in files] == before


def test_a_store_notes_verdicts_that_its_audits_do_not_give() -> None:
    store, results = MemoryStore(), make_results(models=("a", "b"), n=50)
    made = rows(results)
    of_a, of_b = ((model.info.weights, results.setting.data) for model in results.models)
    marked = [{**row, "audit": "believable(quick)"} for row in made]
    carry(store, marked, {of_b: "upper_bound(full)"})
    assert carried(store) == {of_a: "believable(quick)"}
    carry(store, marked, {of_b: "upper_bound(full)"})
    assert len(list(store.runs())) == 1
    carry(store, [{**row, "audit": "upper_bound(rows)"} for row in made], {})
    assert carried(store) == {of_a: "believable(quick)"}  # what other rows say is no audit's
    mark = page_marks(carried(store), {})[of_a]
    assert (mark.verdict, mark.level) == ("believable", "quick")
    assert "with another store" in mark.reason


def test_a_quick_audit_that_finds_nothing_does_not_outweigh_a_full_one_of_the_leaderboard() -> None:
    store, results = MemoryStore(), make_results(models=("a", "b"), n=50)
    of_a, of_b = ((model.info.weights, results.setting.data) for model in results.models)
    quick = {of_a: "believable(quick)", of_b: "not_believable(quick)"}
    carry(store, [{**row, "audit": "upper_bound(full)"} for row in rows(results)], quick)
    assert carried(store) == {of_a: "upper_bound(full)"}
    assert all_verdicts(carried(store), quick) == {of_a: "upper_bound(full)", of_b: "not_believable(quick)"}
    own = {place: Mark(*mark.removesuffix(")").split("("), "own") for place, mark in quick.items()}
    shown = page_marks(carried(store), own)
    assert (shown[of_a].text, shown[of_b].reason) == ("≤ upper bound (full)", "own")
    assert all_verdicts(carried(store), {of_a: "believable(full)"}) == {of_a: "believable(full)"}


def test_models_are_audited_if_each_has_a_verdict() -> None:
    results = make_results(models=("a", "b"), n=50)
    of_a, of_b = ((model.info.weights, results.setting.data) for model in results.models)

    def audited(*places: tuple[str, str]) -> bool:
        outcome = Finished(results=(results,), failures=())
        marks = dict.fromkeys(places, "upper_bound(full)")
        ran = Attacked(
            dataset="d", outcomes=(outcome,), own=1, failed=(), audits=None, worst_of="run", marks=marks
        )
        return STUDY.audited(ran)

    assert audited(of_a, of_b)
    assert not audited(of_a)
    assert not audited()


def test_a_page_that_would_lose_its_audits_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notes._said.clear()
    page = tmp_path / "digits.html"
    head = '<html><head><meta charset="utf-8"></head><body>'

    def drawn(*ids: str) -> Path:
        sections = "".join(f'<section id="{id}"></section>' for id in ids)
        return write(page, list(ids), lambda: (f"{head}{sections}</body></html>", {}))

    drawn("table", "audit", "variation")
    first = page.read_text()
    drawn("table", "gallery", "audit", "variation")
    assert not (tmp_path / kept.FOLDER).exists()
    second = page.read_text()
    drawn("table")
    (copy,) = (tmp_path / kept.FOLDER).iterdir()
    assert copy.read_text() == second != first
    assert f"digits.html had audits and several seeds that this store lacks; the old page is {copy}" in (
        capsys.readouterr().err
    )
