"""Finds the code of a user's own model and computes its digest."""

from __future__ import annotations

import ast
import hashlib
import marshal
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from importlib.util import resolve_name
from pathlib import Path
from types import FunctionType, ModuleType

from torch import nn

INSTALLED = {"site-packages", "dist-packages"}


def code_digest(model: nn.Module, start: ModuleType | None = None, factory: object = None) -> str:
    """sha256 of the user's files that a model computes with, found by following their imports.

    Installed packages and Python's own library are left out, except the package of ``start`` and of the factory. Of
    classes without a file, as in a notebook, the compiled code of their methods counts. Imports inside functions are
    not followed, and data files do not count.

    Args:
        model: the classes of all its modules are followed.
        start: the module that the user named.
        factory: the function that made the model; it may have been imported from elsewhere.
    """
    return digest_of(source_files(model, start, factory), model)


def digest_of(files: Iterable[Path], model: nn.Module) -> str:
    """sha256 of files in this order and of the model's classes without a file."""
    total = hashlib.sha256()
    for file in files:
        total.update(file.read_bytes())
    for kind in dict.fromkeys(type(part) for part in model.modules()):
        module = _module_of(kind)
        if module is not None and not hasattr(module, "__file__"):
            for name, value in sorted(vars(kind).items()):
                if isinstance(value, FunctionType):
                    total.update(f"{kind.__qualname__}.{name}".encode() + marshal.dumps(value.__code__))
    return total.hexdigest()


def source_files(model: nn.Module, start: ModuleType | None = None, factory: object = None) -> list[Path]:
    """The files that ``code_digest`` reads, in ascending order."""
    named = [start, _module_of(factory)]
    own = {_outermost(module) for module in named if module is not None}
    pending = [*named, *(_module_of(type(part)) for part in model.modules())]
    seen, files = set[str](), set[Path]()
    while pending:
        module = pending.pop()
        if module is None or module.__name__ in seen:
            continue
        seen.add(module.__name__)
        file = _file(module)
        if file and (_outermost(module) in own or not _installed(file)):
            files.add(file)
            pending += _imported(module, file)
    return sorted(files)


def _imported(module: ModuleType, file: Path) -> Iterator[ModuleType | None]:
    """The modules that a file imports at its top level."""
    pending: list[ast.AST] = [ast.parse(file.read_bytes())]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or _for_types_only(node):
            continue
        pending += ast.iter_child_nodes(node)
        for name in _names(node, _package_of(module)):
            parts = name.split(".")
            yield from (sys.modules.get(".".join(parts[:end])) for end in range(1, len(parts) + 1))


def _package_of(module: ModuleType) -> str:
    """The package that a module's relative imports start from, also if its ``__package__`` is unset; empty for none."""
    spec = module.__spec__
    told = module.__package__ or (spec.parent if spec else None)
    return told or (module.__name__ if hasattr(module, "__path__") else module.__name__.rpartition(".")[0])


def _names(node: ast.AST, package: str) -> list[str]:
    """The names in an import statement; ``from a import b`` may mean the module a.b."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        try:
            base = resolve_name("." * node.level + (node.module or ""), package)
        except ImportError:  # relative to no package, or above the outermost: it cannot have been imported
            return []
        return [f"{base}.{alias.name}" for alias in node.names]
    return []


def _for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def _module_of(value: object) -> ModuleType | None:
    name = getattr(value, "__module__", None)
    return sys.modules.get(name) if isinstance(name, str) else None


def _file(module: ModuleType) -> Path | None:
    name = getattr(module, "__file__", None)
    return Path(name).resolve() if isinstance(name, str) and name.endswith(".py") else None


def _outermost(module: ModuleType) -> str:
    return module.__name__.partition(".")[0]


def _installed(file: Path) -> bool:
    return bool(INSTALLED & set(file.parts)) or file.is_relative_to(sysconfig.get_path("stdlib"))
