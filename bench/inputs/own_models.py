"""Finds and builds a user's own models: ``file.py:factory`` or an installed entry point."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import inspect
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from bench.errors import UsageError, nearest
from bench.inputs.script_digest import script_digest

ENTRY_POINTS = "symbench.models"
_opened: set[Path] = set()  # directories of model files that were put on the path


def state_digest(model: nn.Module) -> str:
    """sha256 of all parameters and buffers with their names, types and shapes, and of the modules' plain attributes.

    Plain are numbers, texts, tensors and arrays, and tuples, lists and dictionaries of them, such as the stride of a
    convolution. Training or eval mode does not count. The code of TorchScript modules counts.
    """
    total = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        if isinstance(value, Tensor | tuple):  # tuples are the packed weights of quantised layers
            total.update(f"{name} {_plain(value)};".encode())
    usual = vars(nn.Module()).keys()
    for path, part in model.named_modules():
        for name in sorted(vars(part).keys() - usual):
            if plain := _plain(vars(part)[name]):
                total.update(f"{path} {name} {plain};".encode())
    for path, part in _scripted(model):
        total.update(f"{path} {script_digest(part)};".encode())
    return total.hexdigest()


def _scripted(model: nn.Module, path: str = "") -> Iterator[tuple[str, torch.jit.ScriptModule]]:
    """The outermost TorchScript modules in a model."""
    if isinstance(model, torch.jit.ScriptModule):
        yield path, model
        return
    for name, part in model.named_children():
        yield from _scripted(part, f"{path}.{name}")


def _plain(value: object) -> str:
    """A text that differs for different plain values; empty for values that are not plain."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return repr(value)
    if isinstance(value, Tensor):
        return _of_array(value)
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        data = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return f"{value.dtype} {value.shape} {data}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_plain, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {_plain(each)}' for key, each in value.items())}}}"
    return ""


def _of_array(value: Tensor) -> str:
    array = value.detach().cpu().contiguous()
    if array.is_quantized:
        return f"{array.dtype} {_quantisation(array)} {_of_array(array.int_repr())}"
    data = hashlib.sha256(array.flatten().view(torch.uint8).numpy().tobytes()).hexdigest()
    return f"{array.dtype} {tuple(array.shape)} {data}"


def _quantisation(value: Tensor) -> str:
    """Steps and zero points of a quantised tensor."""
    if value.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric):
        return f"{value.q_scale()!r} {value.q_zero_point()}"
    scales, zeros = value.q_per_channel_scales(), value.q_per_channel_zero_points()
    return f"{value.q_per_channel_axis()} {_of_array(scales)} {_of_array(zeros)}"


def entry_points() -> dict[str, Any]:
    """Installed models by name, from the entry-point group ``symbench.models``."""
    return {point.name: point for point in importlib.metadata.entry_points(group=ENTRY_POINTS)}


def entry_point(name: str) -> Any:
    """The factory of an installed entry point; raises ``UsageError`` if it cannot be loaded."""
    return loaded(entry_points()[name], ENTRY_POINTS)


def loaded(point: Any, group: str) -> Any:
    """The object behind an entry point of a group; ``UsageError`` if it cannot be loaded."""
    try:
        return point.load()
    except (Exception, SystemExit) as fault:
        raise UsageError(f"entry point {point.name!r} of {group} cannot be loaded: {fault}") from fault


def imported(point: Any) -> ModuleType:
    """The module of an entry point that was loaded."""
    return sys.modules[point.module]


def resolved(path: str) -> str:
    """The absolute path of a model file; ``UsageError`` if it does not exist."""
    if not Path(path).is_file():
        raise UsageError(f"no model file {path!r}; give --model path/to/file.py:factory")
    return str(Path(path).absolute())


def from_file(target: str) -> Any:
    """The factory ``path/to/file.py:name``; raises ``UsageError`` if there is none, or the file cannot be imported.

    Messages name the file without its directory, as a page may show them.

    The file may import files beside it, as when it is run by itself.
    """
    path, _, factory = target.rpartition(":")
    file = Path(path)
    path = file.name
    spec = importlib.util.spec_from_file_location(_module_name(target), file)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path!r} cannot be imported as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    _open_to_neighbours(file)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as fault:
        raise UsageError(f"{path!r} raised {type(fault).__name__} when imported: {fault}") from fault
    found = getattr(module, factory, None)
    if not callable(found):
        public = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
        raise UsageError(f"{path!r} has no function {factory!r}; {nearest(factory, public)}")
    return found


def module_of(kind: str, target: str) -> ModuleType:
    """The module of a factory that was loaded by ``from_file`` (kind ``file``) or ``entry_point``."""
    return sys.modules[_module_name(target)] if kind == "file" else imported(entry_points()[target])


def _open_to_neighbours(file: Path) -> None:
    """Puts a model file's directory first on the path, unless files of the same names were imported from elsewhere."""
    directory = file.resolve().parent
    for other in _opened - {directory}:
        for neighbour in directory.glob("*.py"):
            known = getattr(sys.modules.get(neighbour.stem), "__file__", None)
            if known and Path(known).resolve().parent == other:
                raise UsageError(
                    f"{str(file)!r} has a neighbour {neighbour.name}, and so has another model of this run, in "
                    f"{str(other)!r}: measure them in separate runs"
                )
    if directory not in _opened:
        _opened.add(directory)
        sys.path.insert(0, str(directory))


def _module_name(target: str) -> str:
    return f"symbench_model_{Path(target.rpartition(':')[0]).stem}"


def made(factory: Any, name: str) -> nn.Module:
    """The model that a factory builds, the same in every process; ``UsageError`` if it cannot be measured."""
    # A factory that initialises at random must give the same model in every worker.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return drawn(factory, name)


def drawn(factory: Any, name: str) -> nn.Module:
    """Like ``made``, with torch's global random state."""
    _check_arguments(factory, name)
    try:
        model = factory()
    except UsageError:  # an error of a library's model, whose message is complete
        raise
    except SystemExit as stop:
        raise UsageError(
            f"the factory of {name!r} called sys.exit({stop.code!r}); it must give a torch.nn.Module"
        ) from stop
    except Exception as fault:
        raise UsageError(f"the factory of {name!r} raised {type(fault).__name__}: {fault}") from fault
    if model is None:
        raise UsageError(f"the factory of {name!r} gives None, not a torch.nn.Module; does it lack return?")
    check_module(model, f"the factory of {name!r} gives", "return the one in it that is to be measured")
    if any(is_lazy(value) for value in (*model.parameters(), *model.buffers())):
        raise UsageError(
            f"the factory of {name!r} gives a model with uninitialised lazy parameters; call it there once on a batch"
        )
    return model


def _within(value: tuple | list | dict) -> Iterable[object]:
    return value.values() if isinstance(value, dict) else value


def _check_arguments(factory: Any, name: str) -> None:
    try:
        signature = inspect.signature(factory)
    except ValueError:  # of a builtin
        return
    try:
        signature.bind()
    except TypeError as fault:
        raise UsageError(
            f"the factory of {name!r} takes arguments ({fault}); name a function that calls it and takes none"
        ) from fault


def check_module(value: object, what: str = "model is", several: str = "call evaluate once for each") -> None:
    """Raises ``UsageError`` unless a value is a model.

    Args:
        value: what was given.
        what: begins the message.
        several: the remedy for several models in a list or dictionary.
    """
    if isinstance(value, type) and issubclass(value, nn.Module):
        raise UsageError(f"{what} the class {value.__name__}, not a model; call it")
    if not isinstance(value, nn.Module):
        kind = "state_dict" if _is_state(value) else type(value).__name__
        raise UsageError(f"{what} a {kind}, not a torch.nn.Module{_remedy(value, several)}")


def _remedy(value: object, several: str) -> str:
    """What to do with what is no model; empty where nobody can tell."""
    parts = list(_within(value)) if isinstance(value, tuple | list | dict) else []
    if any(isinstance(part, nn.Module) for part in parts):
        return f"; {several}"
    if _is_state(value):
        return "; load it into the network first"
    return "; put it into the forward of one that holds its weights" if callable(value) else ""


def _is_state(value: object) -> bool:
    return isinstance(value, dict) and any(isinstance(part, Tensor) for part in value.values())
