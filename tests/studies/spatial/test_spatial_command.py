"""bench spatial from the command line: rows, page, leaderboard, resuming and refusals."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.inputs.model_info import ModelInfo
from bench.leaderboard import file as leaderboard
from bench.studies.spatial import cells
from bench.studies.spatial.page import write_spatial_page
from bench.studies.spatial.results import SpatialOutcome, SpatialResult, SpatialResults, Worst
from bench.studies.spatial.rows import json_rows, spatial_rows
from tests.own import call, write_models
from tests.studies.spatial.test_spatial import setting

Capture = pytest.CaptureFixture[str]
SMALL = ("spatial", "--workers", 1, "--n", 25, "--draws", 3, "--grid", "3x3", "--turns", 8)
BOTH = (*SMALL, "--model", "baseline_cnn_4,equivariant_gcnn_4")


@pytest.fixture
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What every cell that is measured is of."""
    found: list[str] = []
    real = cells.measure_spatial
    monkeypatch.setattr(
        cells, "measure_spatial", lambda cell, *rest: (found.append(cell.attack), real(cell, *rest))[1]
    )
    return found


def of(rows: list[dict[str, Any]], model: str, what: str, level: float | None) -> dict[str, Any]:
    (row,) = (row for row in rows if (row["model"], row["what"], row["level"]) == (model, what, level))
    return row


@pytest.mark.usefixtures("_elsewhere")
def test_rows_page_and_leaderboard_agree_and_it_resumes(capsys: Capture, ran: list[str]) -> None:
    answer = call(capsys, *BOTH, "--json")
    assert answer.code == 0
    rows = json.loads(answer.out)
    one = of(rows, "baseline_cnn_4", "rotate", 90.0)
    assert one["accuracy_lo"] < one["accuracy"] < one["accuracy_hi"]
    assert (one["draws"], one["n"], one["fill"]) == (3, 25, "black")
    assert len(rows) == 2 * (1 + 6 + 1 + 8 + 1)
    for angle in (90.0, 180.0, 270.0):
        assert of(rows, "equivariant_gcnn_4", "turn", angle)["lost"] == 0
        assert of(rows, "baseline_cnn_4", "turn", angle)["lost"] > 5
    page = Path("reports/digits-spatial.html").read_text()
    assert f">{100 * one['accuracy']:.1f}<small>" in page
    for name in ("rotations", "turned"):
        assert Path(f"reports/figures/digits-spatial-{name}.png").is_file()

    table = leaderboard.read(Path("leaderboard.csv"))
    assert len(table) == 2 * (6 + 1 + 1)
    assert {row["attack"] for row in table} == {"rotate", "translate", "spatial_worst"}
    assert all(row["eps"] is None and row["norm"] == "" and row["curve"] == "" for row in table)
    (found,) = (row for row in table if "rotation=90.0" in row["params"] and row["model"] == "baseline_cnn_4")
    assert found["robust_acc"] == one["accuracy"]
    assert found["params"] == "draws=3;fill=black;interpolation=bilinear;rotation=90.0"
    (worst,) = (r for r in table if r["attack"] == "spatial_worst" and r["model"] == "baseline_cnn_4")
    assert worst["robust"] == round(25 * worst["robust_acc"])
    assert worst["robust_acc"] == of(rows, "baseline_cnn_4", "grid", None)["accuracy"]

    assert len(ran) == 2 * 10
    assert call(capsys, *BOTH, "--json").out == answer.out
    assert len(ran) == 2 * 10
    assert call(capsys, *BOTH, "--rotate", "45,90", "--translate", "0.1,0.2").code == 0
    assert ran[20:] == ["rotate", "translate"] * 2  # what was measured is found, whatever else is requested


@pytest.mark.usefixtures("_elsewhere")
def test_the_page_is_drawn_again_from_the_store(capsys: Capture) -> None:
    one = (*SMALL, "--model", "equivariant_gcnn_4")
    assert call(capsys, *one).code == 0
    page = Path("reports/digits-spatial.html")
    before = page.read_text()
    page.unlink()
    answer = call(capsys, "report")
    assert answer.code == 0
    assert "digits-spatial.html" in answer.err + answer.out
    assert page.read_text() == before
    assert call(capsys, *one, "--fill", "edge", "--grid", "none").code == 0
    text = page.read_text()
    assert "Other settings" in text
    assert "beyond the border the nearest pixel" in text


@pytest.mark.usefixtures("_elsewhere")
def test_what_was_killed_goes_on(capsys: Capture, monkeypatch: pytest.MonkeyPatch, ran: list[str]) -> None:
    whole = call(capsys, *BOTH, "--json", "--store", "whole").out
    ran.clear()
    counted = cells.measure_spatial

    def killed(*given: Any) -> Any:
        if len(ran) == 7:
            raise KeyboardInterrupt
        return counted(*given)

    monkeypatch.setattr(cells, "measure_spatial", killed)
    assert call(capsys, *BOTH, "--json", "--store", "killed").code == 130
    monkeypatch.setattr(cells, "measure_spatial", counted)
    assert call(capsys, *BOTH, "--json", "--store", "killed").out == whole
    assert len(ran) == 2 * 10


@pytest.mark.slow
@pytest.mark.usefixtures("_elsewhere")
def test_workers_change_no_number(capsys: Capture) -> None:
    alone = json.loads(call(capsys, *BOTH, "--json", "--store", "a").out)
    together = json.loads(call(capsys, *BOTH, "--json", "--store", "b", "--workers", 2).out)
    assert alone == together


@pytest.mark.usefixtures("_elsewhere")
def test_dry_run_writes_nothing(capsys: Capture) -> None:
    answer = call(capsys, *BOTH, "--dry-run")
    assert answer.code == 0
    assert answer.out.startswith("20 cells, 0 stored, 20 to run")
    assert not list(Path.cwd().iterdir())


@pytest.mark.usefixtures("_elsewhere")
def test_a_model_that_fails_is_named_and_the_others_are_kept(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = cells.measure_spatial

    def broken(cell: Any, *rest: Any) -> Any:
        if cell.model != "baseline_cnn_4" and cell.attack == "turn":
            raise RuntimeError("no turning here")
        return real(cell, *rest)

    monkeypatch.setattr(cells, "measure_spatial", broken)
    own = f"{write_models(Path.cwd())}:net"
    answer = call(capsys, *SMALL, "--model", "baseline_cnn_4", "--model", own, "--json")
    assert answer.code == 1
    assert {row["model"] for row in json.loads(answer.out)} == {"baseline_cnn_4"}
    assert "turn" in answer.err
    assert "no turning here" in answer.err
    assert "no turning here" in Path("reports/digits-spatial.html").read_text()


@pytest.mark.usefixtures("_elsewhere")
@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        (("--draws", 0), "--draws is 0"),
        (("--draws", "few"), "--draws"),
        (("--n", 0), "--n: '0' is not a whole number"),
        (("--n", 361), "--n is 361"),
        (("--rotate", "left"), "--rotate is 'left'"),
        (("--rotate", "30,200"), "--rotate has 200"),
        (("--translate", "2"), "--translate has 2"),
        (("--grid", "31"), "ANGLESxSHIFTS"),
        (("--turns", -1), "--turns is -1"),
        (("--interpolation", "linear"), "nearest: bilinear"),
        (("--fill", "blac"), "nearest: black"),
        (("--model", "baseline_cnm"), "baseline_cnm"),
    ],
)
def test_refusals(capsys: Capture, words: tuple[Any, ...], fragment: str) -> None:
    answer = call(capsys, *BOTH, *words)
    assert (answer.code, answer.out) == (2, "")
    assert fragment in answer.err
    assert len(answer.err.splitlines()) == 1


# pages of results that were made up


def made_up(name: str, right: float, *, turns: int = 8, seed: int = 0) -> SpatialResult:
    """Answers at random, right with a chance of ``right``."""
    rng = np.random.default_rng(seed)

    def outcome(draws: int) -> SpatialOutcome:
        answers = rng.random((8, draws)) < right
        return SpatialOutcome(
            right=answers, changed=answers != clean[:, None], clean=clean, seconds=1.0, digest="d"
        )

    clean = rng.random(8) < right
    return SpatialResult(
        info=ModelInfo(name=name, weights=name, trained_on="t", parameters=1, origin="zoo"),
        clean=clean,
        rotations={30.0: outcome(3), 180.0: outcome(3)},
        translations={0.1: outcome(3)},
        turned=outcome(turns),
        grid=Worst(
            right=clean & (rng.random(8) < 0.5),
            clean=clean,
            queries=rng.integers(1, 9, 8),
            seconds=1.0,
            digest="d",
        ),
    )


def results(*models: SpatialResult, **changes: Any) -> SpatialResults:
    return SpatialResults(
        setting=setting(**changes), models=models, versions={"torch": "2"}, command="bench spatial"
    )


def test_every_setting_has_a_page(tmp_path: Path) -> None:
    some, never = made_up("<b>", 0.7), made_up("never_right", 0.0)
    many = [made_up(f"baseline_cnn.rotate{angle}", 0.8, seed=angle) for angle in range(10, 90, 10)]
    for shown in (results(), results(never), results(some, never), results(*many)):
        text = write_spatial_page(shown, [results(some)], tmp_path).read_text()
        assert "none of these numbers compares with a number at an ε" in text
        assert not re.search(r"\b(nan|None)\b", text)
        assert "<b>" not in text
    bare = results(
        SpatialResult(
            info=some.info, clean=some.clean, rotations={}, translations={}, turned=None, grid=None
        ),
        rotations=(),
        translations=(),
        turns=0,
        grid=None,
    )
    text = write_spatial_page(bare, [], tmp_path).read_text()
    assert 'id="turned"' not in text
    assert 'id="grid"' not in text


def test_a_model_that_is_never_right_has_rows_without_shares_of_nothing(tmp_path: Path) -> None:
    shown = results(made_up("never_right", 0.0), made_up("other", 0.7))
    rows = spatial_rows(shown)
    assert [row["robust_given_clean"] for row in rows[:4]] == [None] * 4
    assert all(0 <= row["robust_lo"] <= row["robust_acc"] <= row["robust_hi"] <= 1 for row in rows)
    leaderboard.merge(tmp_path / "l.csv", rows)
    assert len(leaderboard.read(tmp_path / "l.csv")) == 8
    json.dumps(json_rows(shown), allow_nan=False)
