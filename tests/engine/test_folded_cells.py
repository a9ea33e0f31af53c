"""Cells say whether they are of a folded model, and the worker measures what they say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import bench
from bench.engine.driver import backend
from bench.engine.loaded import Loaded, Task
from bench.engine.store import MemoryStore
from bench.inputs.folding import Folded
from bench.inputs.foreign import Foreign
from bench.inputs.model_info import FOLDED
from bench.inputs.sources import DataSource, deployed, find_model
from bench.studies.audit.plan import make_probe_cell
from bench.studies.audit.probe import OF_THE_MODEL, PARTS
from bench.studies.audit.subject import ProbedModel
from bench.studies.robustness.plan import clean_cells
from tests.inputs.test_folding import small
from tests.studies.audit.test_audit_collect import AUDIT
from tests.toys import clean_cell

MODEL = """
import torch
from torch import nn

def net():
    conv = nn.Conv2d(1, 4, 3, padding=1)
    model = nn.Sequential(conv, nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(1024, 10))
    model(torch.rand(8, 1, 16, 16))
    return model.eval()
"""


def test_the_worker_folds_where_the_cell_says_it(tmp_path: Path) -> None:
    (tmp_path / "folds.py").write_text(MODEL)
    source, info = find_model(
        f"{tmp_path / 'folds.py'}:net", dataset="digits", weights=None, weights_from=None
    )
    data, loaded = DataSource(spec="digits"), Loaded()
    cell = clean_cell(count=8, weights=info.weights, dataset="digits", data=data.load().sha256)
    margins = {}
    for name in ("cpu", replace(info, folded=True).backend("cpu")):
        task = Task(cell=cell.derive(backend=name), model=source, data=data, standing=None, device="cpu")
        margins[name] = loaded.run(task).arrays["margin"]
    inside = [model.model for model in loaded._models.values() if isinstance(model, Foreign)]
    assert [isinstance(model, Folded) for model in inside] == [False, True]
    assert np.abs(margins["cpu"] - margins["cpu folded"]).max() <= 1e-5 * np.abs(margins["cpu"]).max()


def test_results_of_a_folded_model_are_kept_apart_from_those_of_the_model_itself() -> None:
    store, model = MemoryStore(), small()
    x = torch.rand(20, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    y = deployed(model, "cpu")(x).argmax(1)
    results = bench.evaluate(model, x.numpy(), y.numpy(), attacks=["fgsm"], eps=[0.01], store=store)
    assert {row["backend"] for row in bench.leaderboard_rows(results)} == {f"{backend('cpu')} folded"}
    (found,) = results.models
    folded, plain = (clean_cells(results.setting, replace(found.info, folded=each)) for each in (True, False))
    assert store.get(folded[0].key) is not None
    assert store.get(plain[0].key) is None
    assert found.info.folded


def test_an_audits_probe_asks_the_folded_model_but_looks_at_the_state_of_the_model_as_it_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, type] = {}
    for name in PARTS:
        monkeypatch.setitem(
            PARTS, name, lambda subject, name=name: seen.update({name: _inside(subject)}) or {}
        )
    (tmp_path / "folds.py").write_text(MODEL)
    target = f"{tmp_path / 'folds.py'}:net"
    source, info = find_model(target, dataset="digits", weights=None, weights_from=None)
    for folded in (False, True):
        setting = replace(AUDIT, base=replace(AUDIT.base, n=8, data=DataSource(spec="digits").load().sha256))
        cell = make_probe_cell(setting, replace(info, folded=folded))
        assert cell.backend.endswith(FOLDED) == folded
        data = DataSource(spec="digits")
        Loaded().run(Task(cell=cell, model=source, data=data, standing=None, device="cpu"))
        made = dict.fromkeys(PARTS, nn.Sequential)
        assert seen == (made if not folded else made | dict.fromkeys(PARTS.keys() - {*OF_THE_MODEL}, Folded))


def _inside(subject: ProbedModel) -> type:
    return type(subject.model.model if isinstance(subject.model, Foreign) else subject.model)
