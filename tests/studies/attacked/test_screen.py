"""What the terminal says beside the numbers: hidden gradients, checks that were not made, all recorded weights."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from bench.studies.attacked.study import _vanished as vanished_lines
from bench.studies.audit import Finding
from bench.studies.audit.findings_probe import c31
from bench.studies.audit.screen import audit_table
from bench.studies.robustness.evaluation import Finished
from bench.studies.robustness.results import Results
from tests.audit_factory import flag, made, skip
from tests.factory import make_results
from tests.own import call
from zoo import registry

Capture = pytest.CaptureFixture[str]

FLAT = """
from torch import nn


class Flat(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(256, 10)

    def forward(self, x):
        return 1e9 * self.layer(x.flatten(1))  # the softmax is exactly one-hot


def flat(): return Flat()
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("ways", [(), ("--json",)])
def test_a_model_whose_gradients_vanish_is_named_beside_the_table(
    ways: Sequence[str], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.studies.attacked.study.write_page", lambda *_: None)
    Path("own.py").write_text(FLAT)
    words = ("--model", "own.py:flat,baseline_cnn_4", "--n", 40, "--eps", 0.1, "--attacks", "fgsm")
    answer = call(capsys, "run", "--workers", 1, *words, *ways)
    assert answer.code == 0, answer.err
    right, hidden = 0, "the gradient is exactly 0, so gradient attacks cannot move them; run bench audit"
    if ways:
        rows = {row["model"]: row for row in json.loads(answer.out)}
        right = rows["own:flat"]["clean_right"]
        assert rows["own:flat"]["vanished"] == right > 0
    said = [line for line in answer.err.splitlines() if "gradient" in line]
    assert [line.startswith("own:flat: on ") and line.endswith(f" images {hidden}") for line in said] == [
        True
    ]
    if ways:
        assert said == [f"own:flat: on {right} of {right} images {hidden}"]


@pytest.mark.parametrize(
    ("vanished", "protocol", "named"),
    [(1, "sound/1", False), (2, "sound/1", True), (100, "released:baseline_cnn/1", False)],
)
def test_one_percent_may_vanish_and_released_protocols_are_left_alone(
    vanished: int, protocol: str, named: bool, capsys: Capture
) -> None:
    found = make_results(models=("net",), n=100, samples=0)
    (model,) = found.models
    norms = np.where(np.arange(100) < vanished, 0.0, 1.0)
    clean = dataclasses.replace(model.clean, correct=np.ones(100, bool), grad_norm=norms)
    results: Results = dataclasses.replace(
        found,
        setting=dataclasses.replace(found.setting, protocol=protocol),
        models=(dataclasses.replace(model, clean=clean),),
    )
    lines = list(vanished_lines([Finished(results=(results,), failures=())]))
    assert [line.startswith(f"net: on {vanished} of 100 images") for line in lines] == [True] * named


def test_an_audit_of_few_images_says_what_it_could_not_look_at(capsys: Capture) -> None:
    results = make_results(models=("few", "many", "flagged"), samples=0)
    few, many = (c31(np.ones((4, n), bool)) for n in (40, 400))
    other = skip("C29", "The model declares no symmetry.")
    found: dict[str, dict[str, Finding]] = {
        "few": {"C31": few, "C29": other},
        "many": {"C31": many, "C29": other},
        "flagged": {"C31": few, "C15": flag("C15")},
    }
    audit_table(made(results, found))
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    skipped = "skipped for too few images: C31"
    assert f"few believable nothing {skipped}" in shown
    assert shown.count(skipped) == 2
    assert "C29" not in shown


def test_list_shows_every_recorded_model(capsys: Capture) -> None:
    shipped = registry.find("baseline_cnn_4", "digits")
    mine = ("baseline_cnn_4@3", "baseline_cnn.cusp-best", "equivariant_gcnn.my_recipe")
    for name in mine:
        Path("weights").mkdir(exist_ok=True)
        registry.add(Path("weights"), dataclasses.replace(shipped, name=name, dataset="birds"))
    rows = {row["model"]: row for row in json.loads(call(capsys, "list", "models", "--json").out)["models"]}
    assert {record.name for record in registry.shipped().values()} | {*mine} <= set(rows)
    assert rows["baseline_cnn.cusp"]["clean accuracy"]["digits"] == pytest.approx(0.989, abs=5e-4)
    assert rows["equivariant_gcnn.my_recipe"]["recipe"] == "my_recipe"
    assert rows["baseline_cnn_4@3"]["parameters"] == {"birds": shipped.parameters}
    shown = call(capsys, "list", "models").out
    assert f"birds: {shipped.parameters:,}" in " ".join(shown.split())
    assert "digits: 98.9 %" in " ".join(shown.split())


def test_the_table_says_whether_attacks_of_other_runs_lower_its_numbers(capsys: Capture) -> None:
    def said(*ways: object) -> str:
        words = ("--model", "baseline_cnn_4", "--n", 40, "--eps", 0.1, "--workers", 1)
        answer = call(capsys, "run", *words, *ways)
        assert answer.code == 0, answer.err
        return " ".join(answer.out.split())

    assert "under pgd (steps 5) (linf" in said("--attacks", "pgd", "--steps", 5)
    lowered = said("--attacks", "fgsm")
    assert "under fgsm and attacks of other runs (linf" in lowered
    assert "--worst-of run counts the attacks of this run alone." in lowered
    alone = said("--attacks", "fgsm", "--worst-of", "run")
    assert "under fgsm (linf" in alone
    assert "--worst-of run" not in alone
