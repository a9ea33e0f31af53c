"""Which CLEVER scores ``bench theory`` judges by."""

from __future__ import annotations

import pytest

from bench.engine.store import MemoryStore
from bench.studies.theory import evaluation
from bench.studies.theory.cells import TheorySetting
from tests.clever_factory import make_clever


def test_scores_of_other_weights_or_images_tell_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    newest, older = make_clever(n=20), make_clever(n=40, seed=1)
    monkeypatch.setattr(evaluation, "clever_history", lambda *_: [newest, older])

    def names(data: str, *weights: str) -> list[str]:
        setting = TheorySetting(dataset="digits", data=data, n=1, seed=0, protocol="sound", backend="cpu")
        found = evaluation.clever_scores(MemoryStore(), setting, set(weights))
        return [model.info.name for model in found.models] if found else []

    first, second, *_ = (model.info.weights for model in newest.models)
    assert names(newest.setting.data, second, first, "0" * 64) == ["baseline_cnn", "parallel_gcnn"]
    assert names(newest.setting.data, "0" * 64) == []
    assert names("cd" * 32, first) == []
