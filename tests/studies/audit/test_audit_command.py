"""``bench audit`` from end to end: verdicts, marks in the leaderboard, resuming, and what it refuses."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.commands.cli import main
from bench.engine.store import FILE, store_at
from bench.errors import UsageError
from bench.leaderboard import file as leaderboard
from bench.studies.audit import CHECKS
from bench.studies.audit.collect import audit_history
from bench.studies.audit.evaluation import AuditEvaluation
from bench.studies.audit.plan import chosen_eps
from tests.own import call, write_models
from tests.stores import cell_ids

BEATEN = "upper_bound(rows)"  # PGD breaks more than FGSM, which needs no audit
Capture = pytest.CaptureFixture[str]
STORE = Path(".symbench")
QUICK = ("audit", "--n", 40, "--workers", 1, "--eps", "0.05,0.1")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.studies.attacked.audits.study.write_page", lambda *_: None)
    monkeypatch.setattr("bench.studies.attacked.study.write_page", lambda *_: None)


def test_an_honest_model_is_believable_and_its_rows_say_so(capsys: Capture, no_page: None) -> None:
    run = ("run", "--model", "baseline_cnn_4", "--n", 40, "--workers", 1, "--eps", "0.05,0.1")
    assert call(capsys, *run).code == 0
    assert {row["audit"] for row in leaderboard.read(Path("leaderboard.csv"))} == {"", BEATEN}
    answer = call(capsys, *QUICK, "--model", "baseline_cnn_4", "--json")
    assert answer.code == 0
    (audit,) = json.loads(answer.out)
    assert (audit["model"], audit["verdict"], audit["mode"]) == ("baseline_cnn_4", "believable", "quick")
    assert [check["id"] for check in audit["checks"]] == [
        check.id for check in CHECKS.values() if "quick" in check.modes
    ]
    for check in audit["checks"]:
        assert check["status"] in ("pass", "warn", "fail", "skip")
        assert {"id", "status", "value", "threshold"} <= set(check)
    marks = {
        row["attack"]: row["audit"] for row in leaderboard.read(Path("leaderboard.csv")) if row["eps"] == 0.1
    }
    assert marks == {"fgsm": BEATEN, "pgd": "believable(quick)", "worst(fgsm,pgd)": "believable(quick)"}
    # a later run of the same weights carries the mark, where no other row is lower
    answer = call(capsys, *run, "--attacks", "pgd", "--steps", 30, "--worst-of", "run", "--json")
    assert {row["audit"] for row in json.loads(answer.out)} == {"believable(quick)"}


@pytest.mark.slow
def test_an_audit_in_l1_judges_rows_in_l1(capsys: Capture, no_page: None) -> None:
    grid = ("--norm", "l1", "--eps", "2,6", "--n", 20, "--workers", 1, "--model", "baseline_cnn_4")
    assert call(capsys, "run", "--attacks", "slide", *grid).code == 0
    answer = call(capsys, "audit", *grid, "--json")
    assert answer.code == 0
    (audit,) = json.loads(answer.out)
    assert audit["verdict"] == "believable"
    status = {check["id"]: check["status"] for check in audit["checks"]}
    assert {status[id] for id in ("C8", "C10", "C11", "C20", "C23")} == {"pass"}
    marks = {row["audit"] for row in leaderboard.read(Path("leaderboard.csv")) if row["attack"] == "slide"}
    assert marks == {"believable(quick)"}


def test_an_audit_measures_nothing_twice(capsys: Capture, no_page: None) -> None:
    first = call(capsys, *QUICK, "--model", "baseline_cnn_4", "--json")
    before = cell_ids(STORE)
    assert len(before) > 4
    assert call(capsys, *QUICK, "--model", "baseline_cnn_4", "--json").out == first.out
    assert cell_ids(STORE) == before


@pytest.mark.parametrize("attack", ["pgd", "fgsm"])
def test_an_audit_that_was_stopped_marks_nothing(capsys: Capture, no_page: None, attack: str) -> None:
    """The attacks that it did not come to might break more images."""
    assert call(capsys, *QUICK, "--model", "baseline_cnn_4").code == 0
    assert [audit.mark for each in audit_history(store_at(STORE)) for audit in each.audits] == [
        "believable(quick)"
    ]
    with closing(sqlite3.connect(STORE / FILE, isolation_level=None)) as other:
        ((last,),) = other.execute("SELECT max(id) FROM cells WHERE attack = ?", (attack,)).fetchall()
        other.execute("DELETE FROM cells WHERE id = ?", (last,))
    assert audit_history(store_at(STORE)) == []
    run = ("run", "--model", "baseline_cnn_4", "--attacks", "pgd", "--n", 30, "--workers", 1, "--eps", "0.05")
    (row,) = json.loads(call(capsys, *run, "--json").out)
    assert row["audit"] == ""


def test_a_run_with_an_audit_marks_its_rows(capsys: Capture, no_page: None) -> None:
    answer = call(
        capsys, "run", "--model", "baseline_cnn_4", "--n", 40, "--workers", 1, "--eps", "0.1",
        "--attacks", "fgsm,pgd", "--audit", "quick", "--json",
    )  # fmt: skip
    assert answer.code == 0
    marks = {row["attack"]: row["audit"] for row in json.loads(answer.out)}
    assert marks == {"fgsm": BEATEN, "pgd": "believable(quick)", "worst(fgsm,pgd)": "believable(quick)"}


def test_an_audit_takes_the_images_asked_for_and_a_run_gives_it_few(
    capsys: Capture, no_page: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []

    def noted(audit: AuditEvaluation) -> dict[str, Any]:
        taken.append(audit.setting.base.n)
        raise UsageError("far enough")

    monkeypatch.setattr("bench.studies.attacked.study.audit_record", noted)
    monkeypatch.setattr("bench.studies.attacked.audits.study.audit_record", noted)
    chosen = ("--model", "baseline_cnn_4", "--workers", 1)
    for words in (
        ("audit", *chosen),
        ("audit", *chosen, "--n", 250),
        ("run", *chosen, "--attacks", "fgsm", "--eps", "0", "--n", 250, "--audit", "quick"),
        ("run", *chosen, "--attacks", "fgsm", "--eps", "0", "--n", 40, "--audit", "quick"),
    ):
        assert call(capsys, *words).err.endswith("far enough\n")
    assert taken == [200, 250, 200, 40]


def test_attacks_that_fail_are_named_and_the_probe_still_speaks(
    capsys: Capture, no_page: None, tmp_path: Path
) -> None:
    model = f"{write_models(tmp_path)}:no_gradients"
    answer = call(capsys, *QUICK, "--model", model, "--json")
    assert answer.code == 1
    assert "no gradients" in answer.err
    (audit,) = json.loads(answer.out)
    status = {check["id"]: check["status"] for check in audit["checks"]}
    assert audit["verdict"] == "not_believable"
    assert status["C4"] == "fail"
    assert (status["C8"], status["C10"], status["C11"], status["C23"]) == ("skip", "fail", "fail", "pass")


def test_a_model_that_raises_only_far_from_its_images_is_not_believable(
    capsys: Capture, no_page: None, tmp_path: Path
) -> None:
    model = f"{write_models(tmp_path)}:raises_far_off"
    answer = call(capsys, *QUICK, "--model", model, "--json")
    assert answer.code == 1
    (audit,) = json.loads(answer.out)
    status = {check["id"]: check["status"] for check in audit["checks"]}
    assert (status["C10"], status["C11"], status["C23"]) == ("fail", "fail", "pass")
    assert audit["verdict"] == "not_believable"


SLOW = """
import time, zoo
from torch import nn
class Slow(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = zoo.load("baseline_cnn_4", "digits")
    def forward(self, x):
        time.sleep(len(x) / 200)
        return self.net(x)
def slow(): return Slow()
"""


def test_the_time_left_is_said_before_the_first_cell(
    capfd: pytest.CaptureFixture[str], no_page: None, tmp_path: Path
) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    start = time.monotonic()
    assert main(["audit", "--model", "slow.py:slow", "--n", "2", "--eps", "0.1", "--workers", "1"]) == 0
    took = time.monotonic() - start
    said = capfd.readouterr().err
    (left,) = re.findall(r"^measuring: at most about 0:00:(\d\d) left$", said, re.M)
    assert 2 <= int(left) <= took
    assert main(["audit", "--model", "slow.py:slow", "--n", "2", "--eps", "0.1", "--workers", "1"]) == 0
    assert "measuring" not in capfd.readouterr().err  # all is stored


def test_a_dry_run_says_how_long_it_takes_and_writes_nothing(capsys: Capture) -> None:
    answer = call(capsys, *QUICK, "--model", "baseline_cnn_4", "--dry-run")
    assert re.fullmatch(r"\d+ cells, 0 stored, \d+ to run, at most about \d+ s\n", answer.out)
    assert not list(Path().iterdir())


def test_the_page_has_the_audit(capsys: Capture) -> None:
    assert call(capsys, *QUICK, "--model", "baseline_cnn_4").code == 0
    assert "May these numbers be believed?" in Path("reports/digits.html").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--audit", "half"), "invalid choice"),
        (("--n", 0), "--n: '0' is not a whole number"),
        (("--model", "baseline"), "unknown model"),
        (("--eps", "x"), "not a number"),
        (
            ("--norm", "l0"),
            "--norm is l0, but only norms linf, l2, l1 are audited; bench run --norm l0 attacks",
        ),
    ],
)
def test_what_cannot_be_is_refused(capsys: Capture, words: tuple[str, ...], said: str) -> None:
    answer = call(capsys, "audit", "--model", "baseline_cnn_4", *words)
    assert answer.code == 2
    assert said in answer.err
    assert not Path("leaderboard.csv").exists()


def test_strength_is_checked_where_half_the_images_stand() -> None:
    correct = np.ones(8, dtype=bool)
    standing = np.array([[1] * 8, [1] * 5 + [0] * 3, [1] * 3 + [0] * 5, [0] * 8], dtype=bool)
    assert chosen_eps((0.1, 0.2, 0.3, 0.4), standing, correct) == 0.3  # 5 and 3 are as near: the larger ε
    assert chosen_eps((0.1, 0.2), standing[:2], correct) == 0.2
    assert chosen_eps((0.1, 0.2), standing[[0, 0]], correct) == 0.2
    assert chosen_eps((0.1, 0.2), standing[[3, 3]], correct) == 0.2
