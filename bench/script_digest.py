"""What tells two TorchScript modules apart: their code and their state, as the archive holds them."""

from __future__ import annotations

import copy
import hashlib
import io
import pickletools
import re
import zipfile
from collections.abc import Iterator

import torch

_MANGLED = re.compile(r"___torch_mangle_(\d+)")


def script_digest(module: torch.jit.ScriptModule) -> str:
    """sha256 of a scripted, traced or frozen module's code, constants, attributes, parameters and buffers.

    Torch numbers classes of one name by when they were compiled in a process; here they are numbered by where
    they come in the archive. The mode is left out, and so are the lines of source that the code came from.
    """
    archive = zipfile.ZipFile(io.BytesIO(copy.deepcopy(module).eval().save_to_buffer()))
    files = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    numbers: dict[str, int] = {}

    def renumbered(text: str) -> str:
        return _MANGLED.sub(lambda found: f"mangled_{numbers.setdefault(found[1], len(numbers))}", text)

    total = hashlib.sha256()
    for name in ("data.pkl", "constants.pkl"):
        for text in _pickled(files[name]):
            total.update(renumbered(text).encode())
    code = (name for name in files if name.startswith("code/") and name.endswith(".py"))
    # by their new names: the numbers that torch gave order them differently in every process
    for name, text in sorted((renumbered(name), renumbered(files[name].decode())) for name in sorted(code)):
        total.update(f"{name}\n{text}".encode())
    for name in sorted(name for name in files if name.startswith(("data/", "constants/"))):
        total.update(name.encode() + hashlib.sha256(files[name]).digest())
    return total.hexdigest()


def _pickled(content: bytes) -> Iterator[str]:
    """The instructions of a pickle, which is not executed."""
    return (f"{code.name} {argument!r};" for code, argument, _ in pickletools.genops(content))
