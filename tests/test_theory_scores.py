"""Which CLEVER scores ``bench theory`` judges by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bench.commands import theory
from bench.studies.robustness.api import ArrayData
from tests.clever_factory import make_clever


def images(sha256: str) -> ArrayData:
    return ArrayData(
        name="digits",
        x=torch.zeros(1, 1, 16, 16),
        labels=np.zeros(1, np.int64),
        classes=("0",),
        sha256=sha256,
    )


def test_scores_of_other_weights_or_images_tell_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest, older = make_clever(n=20), make_clever(n=40, seed=1)
    monkeypatch.setattr(theory, "clever_history", lambda *_: [newest, older])

    def names(data: str, *weights: str) -> list[str]:
        found = theory._scores(tmp_path, images(data), set(weights))
        return [model.info.name for model in found.models] if found else []

    first, second, *_ = (model.info.weights for model in newest.models)
    assert names(newest.setting.data, second, first, "0" * 64) == ["baseline_cnn", "parallel_gcnn"]
    assert names(newest.setting.data, "0" * 64) == []
    assert names("cd" * 32, first) == []
