"""The digest of a TorchScript module: of its code, and of its state as in its archive."""

from __future__ import annotations

import copy
import hashlib
import io
import pickletools
import re
import zipfile
from typing import Any

import torch

_MANGLED = re.compile(r"\.___torch_mangle_\d+")


def script_digest(module: torch.jit.ScriptModule) -> str:
    """sha256 of a scripted, traced or frozen module's graph with all calls inlined, constants and state.

    State is parameters, buffers and other attributes. Training or eval mode, the source lines of the code, and the
    numbers that torch gives to classes of one name in a process do not count.
    """
    with torch.no_grad():
        plain = copy.deepcopy(module).eval()
    total = hashlib.sha256()
    archive = zipfile.ZipFile(io.BytesIO(plain.save_to_buffer()))
    for name in sorted(archive.namelist()):
        inside = name.partition("/")[2]
        if inside == "data.pkl":  # read as instructions, but not executed
            for code, argument, _ in pickletools.genops(archive.read(name)):
                total.update(_MANGLED.sub("", f"{code.name} {argument!r};").encode())
        elif inside.startswith("data/"):
            total.update(inside.encode() + archive.read(name))
    graph: Any = plain.inlined_graph
    total.update(_MANGLED.sub("", graph.str(False)).encode())
    for node in graph.findAllNodes("prim::Constant"):
        if node.hasAttribute("value") and node.kindOf("value") == "t":
            value = node.t("value").cpu().contiguous()
            total.update(f"{value.dtype} {tuple(value.shape)}".encode())
            total.update(value.flatten().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()
