"""Checks of types while tests run: every function of bench and zoo, with shapes where its module names them."""

from __future__ import annotations

import ast
import re
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

import beartype
import jaxtyping

PACKAGES = ("bench", "zoo")
# an int passes for a float, as in PEP 484
CHECK = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
checked = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))
_CHECKED = f'__import__("{__name__}", fromlist=["checked"]).checked'
# jaxtyping's own checks take many times as long as beartype's, which refuses the second
_SHAPED = re.compile("from jaxtyping import|ParamSpec")


def install(root: Path) -> None:
    """Has all modules of both packages checked that are imported from now on.

    Args:
        root: the folder of the packages.
    """
    files = [file for package in PACKAGES for file in (root / package).rglob("*.py")]
    shaped = [file for file in files if _SHAPED.search(file.read_text("utf-8"))]
    names = [".".join(file.relative_to(root).with_suffix("").parts) for file in shaped]
    sys.meta_path.insert(0, _Finder())
    jaxtyping.install_import_hook([name.removesuffix(".__init__") for name in names], CHECK)


class _Decorated(ast.NodeTransformer):
    """Puts the check next to each function, below its other decorators."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        node.decorator_list.append(ast.parse(_CHECKED, mode="eval").body)
        return node


class Loader(SourceFileLoader):
    """Loads a module whose functions are checked by beartype alone, from its source each time."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> CodeType:
        tree = ast.fix_missing_locations(_Decorated().visit(ast.parse(data, path)))
        return compile(tree, path, "exec", dont_inherit=True, optimize=_optimize)


class _Finder(MetaPathFinder):
    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if fullname.partition(".")[0] not in PACKAGES:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = Loader(spec.loader.name, spec.loader.path)
        return spec
