"""The state of a training run after an epoch: written whole or not at all, read without unpickling code."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from zoo.errors import UserError
from zoo.registry import write_whole


class TrainError(UserError):
    """The reason why training cannot start or continue, and the remedy, in one sentence."""


def write(path: Path, fingerprint: str, **state: Any) -> None:
    """Keeps `state` (tensors, numbers, dictionaries of such) for the run of that fingerprint."""
    content = io.BytesIO()
    torch.save({"fingerprint": fingerprint, **state}, content)
    write_whole(path, content.getvalue())


def read(path: Path, fingerprint: str, device: str) -> dict[str, Any] | None:
    """The state that `write` kept, tensors on `device`; None if nothing; TrainError if damaged or another run's."""
    if not path.exists():
        return None
    try:
        kept = torch.load(path, weights_only=True, map_location=device)
        same = kept["fingerprint"] == fingerprint
    except Exception as error:  # torch.load documents none
        raise TrainError(f"{path} is damaged: remove it to train from the start") from error
    if not same:
        raise TrainError(
            f"{path} is of a run with another recipe, width or data: remove it or use another --out"
        )
    return kept
