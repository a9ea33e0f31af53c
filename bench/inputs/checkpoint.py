"""Reads weights files as people save them: finds the model's state dictionary in a file, and its names."""

from __future__ import annotations

import argparse
import copy
import difflib
import os
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PosixPath
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present

from bench.errors import UsageError, nearest
from bench.inputs.weights_file import check_declared, check_dtypes
from zoo.notes import note_once

State = dict[str, Any]

KEYS = ("state_dict", "model", "model_state_dict", "net", "ema")  # of a saved training, in this order
DEPTH = 2  # how deep they may be nested
PREFIXES = ("module.", "_orig_mod.", "model.")  # of DataParallel, torch.compile and Lightning
MOST = 3  # names in one message
# of files that are named beside a missing one
ENDINGS = (".safetensors", ".pt", ".pth", ".th", ".tar", ".ckpt", ".bin")

_NUMBERS = (bool, *map(np.dtype, ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")))
_SCALAR = np.float64(0).__reduce__()[0]
# Allowed beside the tensors: numpy's numbers and argparse's namespace. None of it runs code.
HARMLESS: list[Any] = [
    (_SCALAR, "numpy.core.multiarray.scalar"),
    (_SCALAR, "numpy._core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(each)) for each in _NUMBERS),
    argparse.Namespace,
    (PosixPath, "pathlib.PosixPath"),
]


def load_weights(model: nn.Module, path: Path, name: str) -> None:
    """Loads a weights file into a model; prints one line about the parts of the file that were stripped or ignored.

    Args:
        model: gets the weights.
        path: ``.safetensors``, or what ``torch.save`` wrote of tensors: a state dictionary, or one under a key of
            ``KEYS``. A prefix of ``PREFIXES`` is stripped where all names have it and the model's do not.
        name: of the model, for messages.

    Raises:
        UsageError: the file is missing, cannot be read without running its code, or does not fit the model.
    """
    if not path.is_file():
        raise UsageError(f"no weights file {os.path.normpath(path)!r}; {_in_folder_of(path)}")
    check_declared(path, model, name)
    own = model.state_dict()
    state, said = _state(_content(path), path, own)
    state, prefix = _renamed(state, own)
    said = [*said, f"{prefix!r} stripped"] if prefix else said
    check_dtypes(path, model, state)
    try:
        model.load_state_dict(state, strict=True)
    except (RuntimeError, AttributeError, TypeError) as fault:
        raise UsageError(
            f"{str(path)!r} does not fit model {name!r}: {_misfit(state, own, fault)}"
        ) from fault
    if said:
        note_once(f"{path.name}: {', '.join(said)}")


def _in_folder_of(path: Path) -> str:
    """The files that lie where a missing one should."""
    if not path.parent.is_dir():
        return "its folder does not exist"
    files = sorted(each.name for each in path.parent.iterdir() if each.suffix in ENDINGS)
    return nearest(path.name, files) if files else "its folder has none"


def _content(path: Path) -> object:
    """The content of a file, read without running code of it."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        with torch.serialization.safe_globals(HARMLESS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as fault:
        remedy = (
            "it is a TorchScript archive, a whole model; load it in a factory with torch.jit.load"
            if _is_script(path)
            else "give a .safetensors file or a .pt file of plain tensors"
        )
        raise UsageError(
            f"{str(path)!r} is no weights file that can be read safely ({type(fault).__name__}); {remedy}"
        ) from fault


def _is_script(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _state(content: object, path: Path, own: Mapping[str, Any]) -> tuple[State, list[str]]:
    """The state dictionary in a file, tensors only, and a sentence about the rest."""
    keys, found = next(_states(content), ((), None))
    if found is None:
        raise UsageError(
            f"{str(path)!r} holds no state dictionary, by itself or under {', '.join(KEYS)}; save model.state_dict()"
        )
    ignored = _beside(content, keys)
    state = copy.copy(found)  # the dictionary also has the layers' versions, which torch.save keeps
    for key in [key for key in state if not isinstance(state[key], Tensor) and key not in own]:
        ignored.append(str(key))
        del state[key]
    more = f" and {len(ignored) - 2 * MOST} more" if len(ignored) > 2 * MOST else ""
    listed = ", ".join(map(repr, ignored[: 2 * MOST])) + more
    taken = [f"{'.'.join(keys)!r} taken"] if keys else []
    return state, [*taken, f"{listed} ignored"] if ignored else []


def _states(content: object, depth: int = DEPTH) -> Iterator[tuple[tuple[str, ...], State]]:
    """The state dictionaries in a file, those under the most usual keys first, each with its keys."""
    if not isinstance(content, dict):
        return
    for key in KEYS if depth else ():
        yield from (((key, *inside), state) for inside, state in _states(content.get(key), depth - 1))
    if any(isinstance(value, Tensor) for value in content.values()):
        yield (), content


def _beside(content: Any, keys: tuple[str, ...]) -> list[str]:
    """The entries beside a state dictionary, level by level."""
    found: list[str] = []
    for key in keys:
        found += [str(other) for other in content if other != key]
        content = content[key]
    return found


def _renamed(state: State, own: Mapping[str, Any]) -> tuple[State, str]:
    """The state with the model's names, and the stripped prefix; if no prefix fits, the one that fits best."""
    named = [(state, "")]
    while not _fits(state, own):
        prefix = next((each for each in PREFIXES if all(str(key).startswith(each) for key in state)), None)
        if prefix is None or not state:
            return max(named, key=lambda each: len(each[0].keys() & own.keys()))
        state = _without(state, prefix)
        named.append((state, named[-1][1] + prefix))
    return named[-1]


def _without(state: State, prefix: str) -> State:
    found = copy.copy(state)
    if (versions := getattr(state, "_metadata", None)) is not None:
        found._metadata = copy.copy(versions)  # type: ignore[attr-defined]
    consume_prefix_in_state_dict_if_present(found, prefix)
    return found


def _fits(state: State, own: Mapping[str, Any]) -> bool:
    """Whether the names are the model's; counters of batches, which old files lack, may be missing."""
    lacking = {key for key in own.keys() - state.keys() if not key.endswith("num_batches_tracked")}
    return not lacking and state.keys() <= own.keys()


def _misfit(state: State, own: Mapping[str, Any], fault: Exception) -> str:
    """A sentence about what does not fit: names similar to the missing ones, or the shapes that differ."""
    lacking = [key for key in own if key not in state]
    strange = [str(key) for key in state if key not in own]
    if lacking or strange:
        pairs = (f"{key!r}{_near(key, strange)}" for key in (lacking or strange)[:MOST])
        what = (
            f"lacks {len(lacking)} of the model's {len(own)} tensors" if lacking else "has all of its tensors"
        )
        begins = "missing" if lacking else "unknown"
        return f"it {what} and holds {len(strange)} others; {begins}: {', '.join(pairs)}"
    shapes = [
        f"{key!r} is {tuple(state[key].shape)} and not {tuple(value.shape)}"
        for key, value in own.items()
        if isinstance(value, Tensor) and isinstance(state[key], Tensor) and state[key].shape != value.shape
    ]
    return ", ".join(shapes[:MOST]) + _other_classes(state, own) or " ".join(str(fault).split())[:300]


def _other_classes(state: State, own: Mapping[str, Any]) -> str:
    """The remedy where only the last layer differs, in its number of rows."""
    other = {key: state[key].shape for key in own if state[key].shape != own[key].shape}
    rows = {shape[:1] for shape in other.values()}
    inside = all(shape[1:] == own[key].shape[1:] for key, shape in other.items())
    layers = {key.rpartition(".")[0] for key in other}
    if len(rows) != 1 or not inside or layers != {list(own)[-1].rpartition(".")[0]}:
        return ""
    return f"; build the network with {rows.pop()[0]} classes"


def _near(key: str, strange: list[str]) -> str:
    close = difflib.get_close_matches(key, strange, n=1, cutoff=0.5)
    return f" (it has {close[0]!r})" if close and close[0] != key else ""
