"""Weights files are refused by what they declare, before they are unpacked."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from bench.errors import UsageError
from bench.inputs.checkpoint import load_weights


def state(dtype: torch.dtype) -> dict[str, torch.Tensor]:
    return {"weight": torch.ones(2, 3).to(dtype), "bias": torch.zeros(2)}


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
@pytest.mark.parametrize("dtype", [torch.int8, torch.int64, torch.complex64, torch.bool])
def test_tensors_that_are_no_real_floats_are_refused(tmp_path: Path, dtype: torch.dtype, suffix: str) -> None:
    path = tmp_path / f"w{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(state(dtype), path)
    with pytest.raises(UsageError, match=f"'weight' as {str(dtype).removeprefix('torch.')}"):
        load_weights(nn.Linear(3, 2), path, "m")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_are_taken(tmp_path: Path, dtype: torch.dtype) -> None:
    save_file(state(dtype), tmp_path / "w.safetensors")
    model = nn.Linear(3, 2)
    load_weights(model, tmp_path / "w.safetensors", "m")
    assert model.weight.tolist() == [[1.0] * 3] * 2


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_a_file_that_declares_too_much_is_refused_unread(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"w{suffix}"
    big = state(torch.float32) | {"more": torch.zeros(20 * 2**20)}
    (save_file if suffix == ".safetensors" else torch.save)(big, path)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was read"))
    with pytest.raises(UsageError, match="unpacks to 80 MiB"):
        load_weights(nn.Linear(3, 2), path, "m")
