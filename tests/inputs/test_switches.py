"""A model's changes of torch's switches affect no other model."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import bench
from bench.inputs.switches import left_alone, put_back
from tests.own import call
from zoo import notes

NEW = hasattr(torch.backends, "fp32_precision")
OLD = (
    "torch.get_float32_matmul_precision()",
    "torch.backends.cuda.matmul.allow_tf32",
    "torch.backends.cudnn.allow_tf32",
)
OF_ALL = tuple(f"torch.backends.{name}fp32_precision" for name in ("", "cudnn.", "mkldnn.") if NEW)
OF_ONE = tuple(
    f"torch.backends.{name}.fp32_precision"
    for name in ("cuda.matmul", "cudnn.conv", "cudnn.rnn", "mkldnn.matmul", "mkldnn.conv", "mkldnn.rnn")
    if NEW
)
FLOAT32, PRODUCTS, CONVOLUTIONS = (
    f"the precision of {name}" for name in ("float32", "matrix products", "convolutions")
)
CHANGES = {
    "torch.set_float32_matmul_precision('high')": PRODUCTS,
    "torch.set_float32_matmul_precision('medium')": PRODUCTS,
    "torch.backends.cuda.matmul.allow_tf32 = True": PRODUCTS,
    "torch.backends.cudnn.allow_tf32 = False": CONVOLUTIONS,
}
if NEW:
    CHANGES |= {
        "torch.backends.fp32_precision = 'tf32'": FLOAT32,
        "torch.backends.fp32_precision = 'ieee'": FLOAT32,
        "torch.backends.cudnn.fp32_precision = 'tf32'": FLOAT32,
        "torch.backends.mkldnn.fp32_precision = 'bf16'": FLOAT32,
        "torch.backends.mkldnn.set_flags(_fp32_precision='bf16')": FLOAT32,
        "torch.backends.cuda.matmul.fp32_precision = 'tf32'": PRODUCTS,
        "torch.backends.mkldnn.matmul.fp32_precision = 'bf16'": PRODUCTS,
        "torch.backends.cudnn.conv.fp32_precision = 'ieee'": CONVOLUTIONS,
        "torch.backends.cudnn.rnn.fp32_precision = 'ieee'": CONVOLUTIONS,
        "torch.backends.mkldnn.conv.fp32_precision = 'bf16'": CONVOLUTIONS,
        "torch.backends.mkldnn.matmul.fp32_precision = 'bf16'; torch.backends.cuda.matmul.allow_tf32 = True": PRODUCTS,
        "torch.backends.fp32_precision = 'tf32'; torch.backends.cudnn.allow_tf32 = False": (
            f"{FLOAT32} and {CONVOLUTIONS}"
        ),
    }
needs_new = pytest.mark.skipif(not NEW, reason="torch has the new API since 2.9")


@pytest.fixture(autouse=True)
def _nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "_said", {})


def read(names: tuple[str, ...] = OLD + OF_ALL + OF_ONE) -> dict[str, Any]:
    """Values of switches; ``None`` where torch refuses."""
    found = {}
    for name in names:
        try:
            found[name] = eval(name)
        except RuntimeError:
            found[name] = None
    return found


def test_switches_are_set_for_measuring_and_put_back() -> None:
    random.seed(3)
    expected = random.Random(3).random()
    with torch.no_grad():
        torch.backends.cudnn.allow_tf32 = True
        with left_alone():
            assert torch.is_grad_enabled()
            assert not torch.backends.cudnn.allow_tf32
            torch.set_grad_enabled(False)
            torch.set_default_dtype(torch.float64)
            torch.backends.cudnn.allow_tf32 = False
            random.random()
        assert not torch.is_grad_enabled()
        assert torch.backends.cudnn.allow_tf32
    assert torch.get_default_dtype() == torch.float32
    assert random.random() == expected


@pytest.mark.parametrize("change", CHANGES)
def test_a_precision_is_named_and_put_back(change: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = read()
    assert None not in before.values()
    with put_back("it"):
        exec(change)
        assert read() != before
    assert read() == before
    assert capsys.readouterr().err == f"note: it changed {CHANGES[change]}; put back as before\n"


@pytest.mark.parametrize("change", CHANGES)
def test_measuring_is_in_float32_whatever_the_callers_precision(change: str) -> None:
    with put_back("it"):
        exec(change)
        before = read()
        with left_alone():
            assert list(read(OLD).values()) == ["highest", False, False]
            assert set(read(OF_ONE).values()) <= {"ieee"}
        assert read() == before


@needs_new
def test_a_callers_precision_by_the_new_api_is_left_as_it_was() -> None:
    x, y = torch.rand(4, 1, 16, 16), torch.arange(4)
    model = nn.Sequential(nn.Flatten(), nn.Linear(256, 10))
    expected = bench.leaderboard_rows(bench.evaluate(model, x, y, "fgsm"))
    with put_back("it"):
        torch.backends.fp32_precision = "tf32"
        torch.backends.cudnn.conv.fp32_precision = "ieee"
        before = read()
        found = bench.leaderboard_rows(bench.evaluate(model, x, y, "fgsm"))
        assert read() == before
    assert [row["robust"] for row in found] == [row["robust"] for row in expected]


@needs_new
def test_a_model_file_that_uses_the_new_api_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bench.studies.attacked.study.write_page", lambda *_: None)
    Path("tf.py").write_text(
        "import torch\n"
        "from torch import nn\n"
        "torch.backends.cuda.matmul.fp32_precision = 'tf32'\n"
        "small = lambda: nn.Sequential(nn.Flatten(), nn.Linear(256, 10))\n"
    )
    before = read()
    answer = call(capsys, "run", "--model", "tf.py:small", "--attacks", "fgsm", "--n", 2, "--workers", 1)
    assert answer.code == 0, answer.err
    assert f"note: the factory of 'tf:small' changed {PRODUCTS}; put back as before" in answer.err
    assert read() == before
