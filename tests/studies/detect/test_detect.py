"""bench detect: a model with a known inconsistency, an attack that evades its detector, and the command."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.engine.cell import Cell
from bench.errors import CellError
from bench.inputs.model_info import ModelInfo
from bench.studies.detect.attack import adaptive, plain
from bench.studies.detect.cells import DetectSetting, measure_detection
from bench.studies.detect.detector import RIDGE, calibrated, fitted
from bench.studies.detect.features import features
from bench.studies.detect.page import write_detect_page
from bench.studies.detect.results import Answers, AtEps, DetectResult, DetectResults
from bench.studies.detect.rows import COLUMNS, detection_rows
from tests.own import call

Capture = pytest.CaptureFixture[str]
DETECT = ("detect", "--workers", 1, "--n", 6, "--calibration", 40, "--steps", 2, "--model", "baseline_cnn_4")


class Bypassed(nn.Module):
    """Class 1 if the first pixel is above a half; the second pixel raises its logit behind the inner layer."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.out = nn.Identity(), nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        pixels = x.flatten(1)
        rise = 10 * (self.inner(pixels[:, :1]) - 0.5) + 20 * pixels[:, 1:2]
        return self.out(torch.cat([-rise / 2, rise / 2], dim=1))


def images(first: Tensor, second: float = 0.0) -> Tensor:
    return torch.stack([first, torch.full_like(first, second)], 1).reshape(-1, 1, 1, 2)


CLEAN = images(torch.rand(400, generator=torch.Generator().manual_seed(0)))


def test_a_probe_is_the_ridge_regression() -> None:
    values, logits = torch.tensor([[1.0], [3.0]]), torch.tensor([[0.0, 4.0], [2.0, -4.0]])
    probe = fitted(values, logits)  # standardised features −1 and 1
    slope = torch.tensor([1.0, -4.0]) / (1 + RIDGE)
    torch.testing.assert_close(
        probe(torch.tensor([[1.0], [2.0], [5.0]])),
        logits.mean(0) + torch.tensor([[-1.0], [0.0], [3.0]]) * slope,
    )


def test_what_goes_past_a_layer_is_its_disagreement() -> None:
    model = Bypassed()
    detector = calibrated(model, CLEAN, 0.05)
    x = images(torch.tensor([0.2, 0.6]), 0.3)
    logits, score = detector.ask(model, x)
    told, heard = logits.softmax(1), detector.probes[0](x.flatten(1)[:, :1]).softmax(1)
    by_hand = (told * (told / heard).log()).sum(1)
    torch.testing.assert_close(score, (by_hand - detector.mean) / detector.spread)
    assert (score > detector.threshold).all()
    margin = torch.tensor([10 * (0.2 - 0.5) + 6, 10 * (0.6 - 0.5) + 6])
    torch.testing.assert_close(logits[:, 1] - logits[:, 0], margin)
    assert (detector.ask(model, CLEAN[1::2])[1] > detector.threshold).double().mean() == 0.05


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5])
def test_the_threshold_flags_this_share_of_the_images_it_is_of(share: float) -> None:
    detector = calibrated(Bypassed(), CLEAN, share)
    flagged = detector.ask(Bypassed(), CLEAN[1::2])[1] > detector.threshold
    assert flagged.double().mean().item() == pytest.approx(share)


def cell(n: int, calibration: int, eps: float, steps: int) -> Cell:
    params = (("calibration", calibration), ("false_positives", 0.05), ("steps", steps))
    return Cell(
        kind="detect", model="m", weights="w", dataset="d", data="d", first=0, count=n + calibration, attack="layers",
        library="", params=params, norm="linf", eps=eps, seed=0, protocol="sound/1", backend="b", parent=None,
    )  # fmt: skip


def test_only_the_attack_that_knows_the_detector_gets_past_it() -> None:
    """The plain attack raises both pixels and is flagged; the adaptive one raises the first alone."""
    x = torch.cat([images(torch.full((8,), 0.2)), CLEAN])
    y = (x.flatten(1)[:, 0] > 0.5).long()
    arrays = measure_detection(cell(8, 400, 0.6, 40), Bypassed(), x, y).arrays
    assert {name: len(each) for name, each in arrays.items()} == dict.fromkeys(arrays, 8)
    assert not arrays["clean_wrong"].any()
    assert arrays["plain_wrong"].all()
    assert arrays["plain_flagged"].all()
    assert arrays["adaptive_wrong"].all()
    assert not arrays["adaptive_flagged"].any()
    answers = {
        name: Answers(
            wrong=arrays[f"{name}_wrong"],
            flagged=arrays[f"{name}_flagged"],
            score=arrays[f"{name}_score"].astype(float),
        )
        for name in ("clean", "plain", "adaptive")
    }
    found = AtEps(eps=0.6, **answers)
    assert found.undefended.value == 0
    assert found.aware_plain.value == found.accepted.value > 0
    assert found.aware.value == 0
    assert found.auc_plain == 1
    assert found.auc_adaptive < 1


def test_attacks_stay_in_ball_and_box_and_a_consistent_model_is_attacked_as_without() -> None:
    model = Bypassed()
    detector = calibrated(model, CLEAN, 0.05)
    x, y = images(torch.tensor([0.1, 0.45, 0.55, 0.95])), torch.tensor([0, 0, 1, 1])
    torch.manual_seed(0)
    for attacked in (plain(model, x, y, 0.1, 10), adaptive(model, detector, x, y, 0.1, 10)):
        assert ((attacked - x).abs() <= 0.1 + 1e-6).all()
        assert ((attacked >= 0) & (attacked <= 1)).all()
        assert (model(attacked).argmax(1) != y).tolist()[1:] == [True, True, False]


def test_a_network_of_any_kind_has_features() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 5), nn.ReLU(), nn.Linear(5, 2)
    )
    x = torch.rand(2, 1, 8, 8)
    logits, seen = features(net, x)
    assert torch.equal(logits, net(x))
    assert [tuple(each.shape) for each in seen] == [(2, 3), (2, 108), (2, 5), (2, 5)]
    torch.testing.assert_close(seen[0], F.relu(net[0](x)).mean((2, 3)))
    assert not any(each._forward_hooks for each in net.modules())


def test_a_model_without_inner_layers_is_refused() -> None:
    class Plain(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(1)

    with pytest.raises(CellError, match="no inner layers"):
        calibrated(Plain(), CLEAN, 0.05)


# results and the page


def answers(wrong: list[bool], flagged: list[bool], score: list[float]) -> Answers:
    return Answers(wrong=np.array(wrong), flagged=np.array(flagged), score=np.array(score))


def result(name: str = "m") -> DetectResult:
    found = AtEps(
        eps=0.1,
        clean=answers([False, False, False, True], [False, False, True, False], [0.0, 1.0, 5.0, 1.0]),
        plain=answers([True, True, False, True], [True, False, True, False], [4.0, 1.0, 3.0, 1.0]),
        adaptive=answers([True, False, True, True], [False, False, False, False], [0.5, 1.0, 0.0, 1.0]),
    )
    info = ModelInfo(name=name, weights="w", trained_on="digits", parameters=1, origin="zoo")
    return DetectResult(info=info, radii=(found,), seconds=1.0, digest="d")


def results(*models: DetectResult) -> DetectResults:
    setting = DetectSetting(
        dataset="digits", data="d", n=4, calibration=40, radii=(0.1,), steps=5, false_positives=0.05, seed=0,
        protocol="sound/1", backend="b",
    )  # fmt: skip
    return DetectResults(setting=setting, models=models, versions={}, command="bench detect")


def test_what_counts_as_standing() -> None:
    (found,) = result().radii
    assert found.undefended.k == 0  # the third falls to the adaptive attack
    assert found.accepted.k == 2  # the first two
    assert found.aware_plain.k == 1  # the first, which is flagged
    assert found.aware.k == 0
    assert found.auc_plain == pytest.approx(
        (3 + 2 * 2) / 12
    )  # 4 beats three, the 1s beat one and tie with two


def test_what_breaks_an_image_breaks_it_at_a_larger_eps_too() -> None:
    (small,) = result().radii
    none = answers([False] * 4, [False] * 4, [0.0] * 4)
    large = replace(small, eps=0.2, plain=none, adaptive=none, smaller=small)
    for name in ("undefended", "accepted", "aware_plain", "aware"):
        assert getattr(large, name) == getattr(small, name)
    assert replace(large, smaller=None).aware.k == 2


def test_the_page_and_its_rows(tmp_path: Path) -> None:
    page = write_detect_page(results(result("<b>")), [results(result())], tmp_path)
    text = page.read_text("utf-8")
    assert page.name == "digits-detect.html"
    assert "<b>" not in text
    assert not re.search(r"\bnan\b", text)
    with (tmp_path / "detections.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["model"] for row in rows} == {"<b>", "m"}
    assert set(detection_rows(results(result()))[0]) == set(COLUMNS)
    (small,) = result().radii
    both = replace(result(), radii=(replace(small, eps=0.05), small))
    two = replace(results(both), setting=replace(results().setting, radii=(0.05, 0.1)))
    write_detect_page(two, [results(result())], tmp_path)
    with (tmp_path / "detections.csv").open(newline="") as file:
        grids = [(row["eps"], row["grid"]) for row in csv.DictReader(file) if row["model"] == "m"]
    # an image broken at 0.05 is broken at 0.1 too, so the number at 0.1 depends on the list
    assert sorted(grids) == [("0.05", "0.05"), ("0.1", "0.05;0.1"), ("0.1", "0.1")]
    failed = replace(results(), failed=("cell x",))
    assert "cell x" in write_detect_page(failed, [], tmp_path).read_text("utf-8")


# the command


def detect(capsys: Capture, *words: Any) -> list[dict[str, Any]]:
    answer = call(capsys, *DETECT, *words, "--json")
    assert answer.code == 0, answer.err
    return json.loads(answer.out)


@pytest.mark.slow
def test_the_command_measures_once_and_writes_its_page(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    dry = call(capsys, *DETECT, "--dry-run")
    assert "2 cells, 0 stored, 2 to run" in dry.out
    rows = detect(capsys)
    assert [row["eps"] for row in rows] == [0.05, 0.1]
    assert all(row["aware_acc"] <= row["aware_plain_acc"] <= row["accepted_acc"] <= 1 for row in rows)
    assert Path("reports/digits-detect.html").exists()
    assert "2 cells, 2 stored, 0 to run" in call(capsys, *DETECT, "--dry-run").out
    assert detect(capsys) == rows
    assert "adaptive" in call(capsys, *DETECT).out


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--n", 350), "10 images are to make the detector of"),
        (("--calibration", 5), "5 images are to make the detector of"),
        (("--steps", 0), "--steps is 0"),
        (("--false-positives", 1.5), "it must lie between 0 and 1"),
        (("--eps", "x"), "eps"),
    ],
)
def test_what_is_refused(
    words: tuple[Any, ...], reason: str, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = [word for word in DETECT if word not in ("--calibration", 40)] if "--n" in words else DETECT
    answer = call(capsys, *command, *words)
    assert answer.code == 2
    assert reason in answer.err
    assert "Traceback" not in answer.err
