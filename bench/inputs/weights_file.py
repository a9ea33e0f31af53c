"""Checks the sizes that a weights file declares before anything is unpacked."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from torch import nn

from bench.errors import UsageError

# A checkpoint may also hold an optimiser's two moments and an average of the weights: four times the model.
FACTOR, EXTRA = 4, 64 * 2**20


def check_declared(path: Path, model: nn.Module, name: str) -> None:
    """Raises ``UsageError`` if a file declares far more bytes than a model needs.

    Args:
        path: a ``.safetensors`` or ``.pt`` file; its reader refuses any other.
        model: gets the tensors.
        name: of the model, for the message.
    """
    state = {key: value for key, value in model.state_dict().items() if hasattr(value, "dtype")}
    needed = sum(value.numel() * value.element_size() for value in state.values())
    declared = _safetensors(path) if path.suffix == ".safetensors" else _zip(path)
    most = FACTOR * needed + EXTRA
    if declared > most:
        raise UsageError(
            f"{str(path)!r} unpacks to {declared / 2**20:.0f} MiB, but model {name!r} has {needed / 2**20:.1f} MiB "
            f"of tensors and at most {most / 2**20:.0f} MiB are read; give a file with its state dictionary only"
        )


def check_dtypes(path: Path, model: nn.Module, state: object) -> None:
    """Raises ``UsageError`` for a tensor that ``load_state_dict`` would cast from integers or complex numbers."""
    if isinstance(state, dict):
        own = model.state_dict()
        for key, value in state.items():
            if key in own and hasattr(value, "dtype"):
                _check(path, str(key), str(value.dtype).removeprefix("torch."), own[key].is_floating_point())


def _check(path: Path, key: str, dtype: str, floating: bool) -> None:
    real = dtype.startswith(("float", "bfloat", "F", "BF"))
    if floating and not real:
        raise UsageError(
            f"{str(path)!r} holds tensor {key!r} as {dtype}, where the model has real floats; give float weights"
        )


def _safetensors(path: Path) -> int:
    """Bytes of the tensors, from the header."""
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(size)) if size <= path.stat().st_size else {}
        return max(
            (each["data_offsets"][1] for key, each in header.items() if key != "__metadata__"), default=0
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return 0


def _zip(path: Path) -> int:
    """Bytes of a zip's members, from its directory; 0 if the file is no zip."""
    if not zipfile.is_zipfile(path):
        return 0
    with zipfile.ZipFile(path) as archive:
        return sum(member.file_size for member in archive.infolist())
