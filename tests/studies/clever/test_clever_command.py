"""``bench clever`` and ``bench theory`` as a user calls them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.inputs.model_info import ModelInfo
from bench.leaderboard import columns
from bench.leaderboard import file as leaderboard
from bench.studies.clever.cells import options_of, score_cells
from bench.studies.clever.options import CleverOptions
from bench.studies.clever.results import CleverSetting
from tests.own import call, write_models

Capture = pytest.CaptureFixture[str]
CLEVER = ("clever", "--workers", 1, "--n", 12, "--model", "baseline_cnn_4", "--batches", 10, "--samples", 20)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def untimed(path: str) -> list[dict[str, Any]]:
    rows = leaderboard.read(Path(path))
    return [{k: v for k, v in row.items() if k not in columns.TIMING} for row in rows]


def test_options_survive_the_cell() -> None:
    info = ModelInfo(name="m", weights="w", trained_on="t", parameters=1, origin="zoo")
    for targets in (None, 3):
        options = CleverOptions(
            engine="evt", norm="l1", radius=2.5, batches=3, samples=4, pool_factor=5, targets=targets, seed=6
        )
        setting = CleverSetting(
            dataset="d", data="x", n=25, options=options, protocol="sound/1", backend="cpu"
        )
        cells = score_cells(setting, info)
        assert [(cell.first, cell.count) for cell in cells] == [(0, 10), (10, 10), (20, 5)]
        assert all(options_of(cell) == options for cell in cells)


def test_rows_page_and_leaderboard_agree(capsys: Capture) -> None:
    answer = call(capsys, *CLEVER, "--json")
    assert answer.code == 0
    images = json.loads(answer.out)
    needed = {"model", "index", "engine", "norm", "score", "lipschitz", "margin", "fallback", "censored"}
    assert len(images) == 12
    assert needed <= set(images[0])
    (row,) = leaderboard.read(Path("leaderboard.csv"))
    scores = [image["score"] for image in images]
    assert row["clever_median"] == pytest.approx(np.median(scores))
    assert row["clever_mean"] == pytest.approx(np.mean(scores))
    assert row["clever_lo"] <= row["clever_median"] <= row["clever_hi"]
    assert (row["attack"], row["eps"], row["robust_acc"]) == ("clever", None, None)
    for image in images:
        if image["correct"]:
            assert image["score"] == pytest.approx(min(image["margin"] / image["lipschitz"], image["radius"]))
    page = Path("reports/digits-clever.html").read_text()
    assert "certifies nothing" in page
    assert f"{row['clever_median']:.3f}"[:4] in page


def test_it_resumes_and_grows(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []
    from bench.studies.clever import cells

    real = cells.measure_cell
    monkeypatch.setattr(
        cells, "measure_cell", lambda cell, *rest: (ran.append(cell.first), real(cell, *rest))[1]
    )
    call(capsys, *CLEVER, "--n", 10)
    before = list(ran)
    call(capsys, *CLEVER, "--n", 10)
    assert (sorted(before), ran) == ([0, 0], before)
    call(capsys, *CLEVER, "--n", 20)
    assert sorted(ran[len(before) :]) == [10, 10]


def test_it_lives_beside_the_rows_of_attacks(capsys: Capture) -> None:
    run = ("run", "--workers", 1, "--n", 20, "--model", "baseline_cnn_4", "--attacks", "fgsm", "--eps", 0.1)
    assert call(capsys, *run).code == 0
    before = untimed("leaderboard.csv")
    assert call(capsys, *CLEVER).code == 0
    after = untimed("leaderboard.csv")
    assert [row for row in after if row["attack"] != "clever"] == before
    assert call(capsys, *run).code == 0
    assert untimed("leaderboard.csv") == after
    assert call(capsys, "report").code == 0


def test_a_second_engine_is_compared(capsys: Capture) -> None:
    call(capsys, *CLEVER, "--engine", "batched", "--n", 5)
    call(capsys, *CLEVER, "--n", 5)
    page = Path("reports/digits-clever.html").read_text()
    assert "against evt" in page
    assert re.search(r"<button[^>]*>batched<small>against evt", page)


@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        (("--radius", 0), "--radius is 0"),
        (("--radius", "nan"), "--radius is nan"),
        (("--engine", "evtt"), "nearest: evt"),
        (("--norm", "l3"), "unknown CLEVER norm 'l3'"),
        (("--targets", "best"), "--targets is 'best'"),
        (("--targets", "top-10"), "9 others"),
        (("--samples", 0), "--samples is 0"),
        (("--n", 361), "--n is 361"),
        (("--preset", "weng"), "nearest: weng2018"),
    ],
)
def test_refusals(capsys: Capture, words: tuple[Any, ...], fragment: str) -> None:
    answer = call(capsys, *CLEVER, *words)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("bench: error: ")
    assert fragment in answer.err
    assert len(answer.err.splitlines()) == 1


def test_probabilities_are_refused(capsys: Capture, tmp_path: Path) -> None:
    write_models(tmp_path)
    Path("soft.py").write_text(
        "from torch import nn\n\ndef made():\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(256, 10), nn.Softmax(1))\n"
    )
    answer = call(capsys, "clever", "--workers", 1, "--n", 5, "--model", "soft.py:made")
    assert answer.code == 2
    assert "remove its softmax" in answer.err


def test_dry_run_writes_nothing(capsys: Capture) -> None:
    answer = call(capsys, *CLEVER, "--dry-run")
    assert answer.code == 0
    assert answer.out.startswith("4 cells, 0 stored, 4 to run")
    assert not Path("leaderboard.csv").exists()


def test_theory_prints_claims_and_uses_the_stores_scores(capsys: Capture) -> None:
    models = ("--model", "baseline_cnn_4,equivariant_gcnn_4", "--n", 5)
    call(capsys, *CLEVER, *models[:2], "--n", 5)
    answer = call(capsys, "theory", *models, "--json")
    assert answer.code == 0
    claims = json.loads(answer.out)
    verdicts = {claim["where"]: claim["verdict"] for claim in claims}
    assert verdicts["Sec. 4.3, Theorem 1"] == "holds"
    assert {claim["verdict"] for claim in claims} <= {"holds", "does not hold", "undecided here"}
    assert not any("No CLEVER scores" in claim["measured"] for claim in claims)
    assert Path("reports/theory-digits.html").is_file()
