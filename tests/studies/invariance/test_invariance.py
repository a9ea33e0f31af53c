"""bench invariance: a line of grey images in closed form, nearest images by hand, and the command."""

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
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from bench.engine.cell import Cell
from bench.errors import UsageError
from bench.inputs.array_data import ArrayData, array_data
from bench.inputs.model_info import ModelInfo
from bench.pages.format import percent
from bench.studies.invariance import examples
from bench.studies.invariance.cells import InvarianceSetting, measure_invariance
from bench.studies.invariance.examples import nearest_labels, nearest_others, towards
from bench.studies.invariance.page import write_invariance_page
from bench.studies.invariance.results import InvarianceResult, InvarianceResults
from bench.studies.invariance.rows import COLUMNS, invariance_rows
from tests.own import call

Capture = pytest.CaptureFixture[str]
COMMAND = ("invariance", "--workers", 1, "--n", 6, "--candidates", 2, "--model", "baseline_cnn_4")


class Above(nn.Module):
    """Class 1 if the mean pixel is above a limit."""

    def __init__(self, limit: float) -> None:
        super().__init__()
        self.limit = limit

    def forward(self, x: Tensor) -> Tensor:
        rise = x.flatten(1).mean(1, keepdim=True) - self.limit
        return torch.cat([-rise, rise], dim=1)


def grey(*values: float) -> Tensor:
    return torch.tensor(values).reshape(-1, 1, 1, 1).expand(-1, 1, 4, 4).contiguous()


DARK_AND_LIGHT = array_data("greys", grey(0.0, 1.0), np.array([0, 1]))


def measured(limit: float, eps: float, x: Tensor, y: list[int], training: ArrayData = DARK_AND_LIGHT) -> dict:
    cell = Cell(
        kind="invariance", model="m", weights="w", dataset="d", data="d", first=0, count=len(x), attack="towards",
        library="", params=(("candidates", 3), ("training", training.sha256)), norm="linf", eps=eps, seed=0,
        protocol="sound/1", backend="b", parent=None,
    )  # fmt: skip
    arrays = measure_invariance(cell, Above(limit), x, torch.tensor(y), training).arrays
    return {name: each.tolist() for name, each in arrays.items()}


@pytest.mark.parametrize(
    ("limit", "eps", "changed", "invariant"),
    [
        (0.75, 0.25, False, False),  # 0.2 becomes 0.45, still nearer to the dark image
        (0.75, 0.4, True, True),  # 0.6: nearer to the light one, and the model still says dark
        (0.75, 0.6, True, False),  # 0.8: the model says light too
        (0.3, 0.4, True, False),  # the model has changed its answer before the proxy does
    ],
)
def test_a_grey_image_between_a_dark_and_a_light_one(
    limit: float, eps: float, changed: bool, invariant: bool
) -> None:
    assert measured(limit, eps, grey(0.2), [0]) == {
        "right": [True], "near": [True], "changed": [changed], "invariant": [invariant],
    }  # fmt: skip


def test_what_is_wrong_when_clean_is_told() -> None:
    found = measured(0.75, 0.4, grey(0.6, 0.9, 0.2), [0, 0, 1])
    assert found["right"] == [True, False, False]
    assert found["near"] == [False, False, False]


def test_an_image_of_the_only_class_there_is_cannot_change() -> None:
    training = array_data("greys", grey(0.0, 1.0), np.array([0, 0]))
    assert measured(0.75, 0.9, grey(0.2), [0], training)["changed"] == [False]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), st.floats(0.01, 0.5))
def test_moved_images_are_the_nearest_of_the_ball(seed: int, eps: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    x, aims = torch.rand(2, 1, 3, 3, generator=generator), torch.rand(2, 4, 1, 3, 3, generator=generator)
    moved = towards(x, aims, eps)
    assert ((moved - x[:, None]).abs() <= eps + 1e-6).all()
    assert ((moved >= 0) & (moved <= 1)).all()
    for _ in range(5):
        other = (x[:, None] + eps * (2 * torch.rand(aims.shape, generator=generator) - 1)).clamp(0, 1)
        near, far = (moved - aims).flatten(2).norm(dim=2), (other - aims).flatten(2).norm(dim=2)
        assert (near <= far + 1e-6).all()


def test_the_nearest_of_all_and_of_other_classes_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examples, "CHUNK", 7)
    generator = np.random.default_rng(0)
    pixels, labels = generator.random((20, 1, 2, 2), dtype=np.float32), generator.integers(0, 3, 20)
    training = array_data("random", pixels, labels)
    x, y = torch.from_numpy(generator.random((5, 1, 2, 2), dtype=np.float32)), torch.tensor([0, 1, 2, 0, 1])
    distances = np.linalg.norm(x.numpy()[:, None].reshape(5, 1, 4) - pixels.reshape(1, 20, 4), axis=2)
    assert nearest_labels(x, training).tolist() == labels[distances.argmin(1)].tolist()
    aims, there = nearest_others(x, y, training, 3)
    assert there.all()
    for i in range(5):
        order = [at for at in distances[i].argsort() if labels[at] != y[i]]
        np.testing.assert_array_equal(aims[i].numpy(), pixels[order[:3]])
    assert nearest_others(x, y, training, 20)[1].sum(1).tolist() == [
        int((labels != k).sum()) for k in y.tolist()
    ]


# results, the page and the command


def result(name: str = "m") -> InvarianceResult:
    return InvarianceResult(
        info=ModelInfo(name=name, weights="w", trained_on="digits", parameters=1, origin="zoo"),
        counted=np.array([True, True, True, False]),
        changed=np.array([[True, False, False, True], [True, True, False, True]]),
        invariant=np.array([[True, False, False, True], [False, True, False, True]]),
        seconds=1.0,
        digest="d",
    )


def results(*models: InvarianceResult) -> InvarianceResults:
    setting = InvarianceSetting(
        dataset="digits",
        data="d",
        training="t",
        n=4,
        radii=(0.1, 0.2),
        candidates=3,
        protocol="sound/1",
        backend="b",
    )
    return InvarianceResults(setting=setting, models=models, versions={}, command="bench invariance")


def test_a_ball_has_the_examples_of_the_smaller_ones() -> None:
    assert [(share.k, share.n) for share in result().shares()] == [(1, 3), (2, 3)]
    assert [share.k for share in result().ceilings()] == [1, 2]
    assert replace(result(), counted=np.zeros(4, dtype=bool)).shares() == ()


def test_the_page(tmp_path: Path) -> None:
    nothing = replace(result("none"), counted=np.zeros(4, dtype=bool))
    page = write_invariance_page(results(result("<b>"), nothing), [results(result())], tmp_path)
    assert page.name == "digits-invariance.html"
    assert "<b>" not in page.read_text("utf-8")
    failed = replace(results(), failed=("cell x",))
    assert "cell x" in write_invariance_page(failed, [], tmp_path).read_text("utf-8")


def stored(directory: Path) -> list[dict[str, str]]:
    with (directory / "invariances.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_rows_are_the_numbers_of_the_page(tmp_path: Path) -> None:
    nothing = replace(result("none"), counted=np.zeros(4, dtype=bool))
    page = write_invariance_page(results(result(), nothing), [], tmp_path)
    rows = stored(tmp_path)
    assert [(row["model"], row["eps"], row["grid"]) for row in rows] == [
        ("m", "0.1", "0.1"), ("m", "0.2", "0.1;0.2"),
    ]  # fmt: skip
    cells = re.findall(
        r'<td data-value="([\d.]+)">[^<]*<small>([\d.]+) to ([\d.]+)</small>', page.read_text("utf-8")
    )
    names = [(row, name) for row in rows for name in ("invariant", "changed")]
    for (row, name), (value, *bounds) in zip(names, cells, strict=True):
        assert float(value) == pytest.approx(float(row[name]), abs=1e-8)
        shown = [percent(float(row[f"{name}_{bound}"])) for bound in ("lo", "hi")]
        assert bounds == shown
    assert {row["counted"] for row in rows} == {"3"}
    assert all(tuple(row) == COLUMNS for row in invariance_rows(results(result(), nothing)))


def test_a_row_of_the_same_measurement_is_replaced_and_others_stay(tmp_path: Path) -> None:
    first = results(result(), result("other"))
    write_invariance_page(first, [], tmp_path)
    before = stored(tmp_path)
    write_invariance_page(first, [], tmp_path)
    assert stored(tmp_path) == before
    write_invariance_page(results(replace(result(), digest="new")), [], tmp_path)
    assert stored(tmp_path) == [{**row, "digest": "new"} if row["model"] == "m" else row for row in before]


@pytest.mark.parametrize(
    "change",
    [{"candidates": 4}, {"batch": 2}, {"training": "u"}, {"backend": "c"}, {"radii": (0.15, 0.2)}],
    ids=lambda change: next(iter(change)),
)
def test_another_setting_has_rows_of_its_own(change: dict[str, Any], tmp_path: Path) -> None:
    shown = results(result())
    other = replace(shown, setting=replace(shown.setting, **change))
    write_invariance_page(shown, [other], tmp_path)
    assert len(stored(tmp_path)) == 4


def test_a_table_of_other_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "invariances.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UsageError, match="move it away"):
        write_invariance_page(results(result()), [], tmp_path)


@pytest.mark.slow
def test_the_command_measures_once(capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "4 cells, 0 stored, 4 to run" in call(capsys, *COMMAND, "--dry-run").out
    answer = call(capsys, *COMMAND, "--json")
    assert answer.code == 0, answer.err
    rows: list[dict[str, Any]] = json.loads(answer.out)
    shares = [row["invariant"] for row in rows]
    assert [row["eps"] for row in rows] == [0.1, 0.2, 0.3, 0.4]
    assert shares == sorted(shares)
    assert all(row["invariant"] <= row["changed"] for row in rows)
    assert Path("reports/digits-invariance.html").exists()
    assert [float(row["invariant"]) for row in stored(Path("reports"))] == shares
    assert "4 cells, 4 stored, 0 to run" in call(capsys, *COMMAND, "--dry-run").out
    assert "proxy" in call(capsys, *COMMAND).out
    assert call(capsys, *COMMAND, "--candidates", 0).code == 2
