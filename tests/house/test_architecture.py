"""Imports go one way, folder by folder; a folder that is not on a floor has no place yet."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# folders of bench from the ground up; a folder imports itself and lower floors, never another folder of its own floor
FLOORS = """
numbers
inputs
engine
attacks
leaderboard pages studies.shared studies.released
studies.robustness
studies.clever studies.detect studies.invariance studies.mip studies.spatial
studies.audit studies.certify studies.theory
studies.attacked studies.paper studies.tradeoff
commands
"""
RANKS = {
    f"bench.{name}": rank for rank, line in enumerate(FLOORS.strip().split("\n")) for name in line.split()
}
GROUND = ("bench", "bench.errors", "bench.studies")  # names and errors, which every floor may use
FILES = sorted([*ROOT.glob("zoo/**/*.py"), *ROOT.glob("bench/**/*.py")])


def folder_of(module: str) -> str:
    """The folder of a module that has a floor; empty where there is none."""
    parts = module.split(".")
    names = [".".join(parts[:i]) for i in range(len(parts), 0, -1)]
    return next((name for name in names if name in RANKS), "")


def module_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(file: Path) -> set[str]:
    """Our own modules a file imports, those inside functions and for type checkers too."""
    known = {module_of(each) for each in FILES}
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else node.module for name in names}
    return {name for name in found if name.split(".")[0] in ("zoo", "bench")}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_go_downward(file: Path) -> None:
    module = module_of(file)
    if module in ("zoo", "bench"):
        return  # the packages' lazy lists of public names
    if module.startswith("zoo"):
        assert not [name for name in imports_of(file) if name.startswith("bench")]
        return
    own = folder_of(module)
    assert own or module in GROUND, f"{file} has no place on a floor"
    for name in imports_of(file):
        if name.startswith("zoo") or name in GROUND:
            continue
        assert own, f"{file} is on the ground and imports {name}"
        other = folder_of(name)
        assert other == own or RANKS[other] < RANKS[own], f"{file} imports {name}"


def test_files_import_each_other_in_no_cycle() -> None:
    graph = {module_of(file): imports_of(file) - {module_of(file)} for file in FILES}
    lazy = {module_of(file) for file in FILES if file.name == "__init__.py"}  # lists of names
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " → ".join([*path, module])
        if module not in done and module not in lazy:
            for other in graph.get(module, ()):
                visit(other, (*path, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_the_house_stays_small() -> None:
    entries = [each for each in (ROOT / "bench").iterdir() if each.name != "__pycache__"]
    assert len(entries) <= 10
    assert len(FLOORS.strip().split("\n")) <= 10


def test_every_folder_is_a_package() -> None:
    """A folder without ``__init__.py`` works in a checkout, and the wheel leaves it out."""
    assert not [file for file in FILES if not (file.parent / "__init__.py").exists()]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_files_are_small(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 320


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        ("import bench.commands.cli as cli; cli.parser()", ("torch", "numpy", "pandas", "rich", "jinja2")),
        ("import zoo, bench, bench.studies", ("torch", "numpy", "pandas")),
        ("import bench.attacks", ("torch", "torchattacks", "foolbox")),
        ("import bench.studies.attacked", ("matplotlib", "seaborn", "torch")),
        ("import zoo.train", ("bench",)),
    ],
)
def test_what_an_import_does_not_load(statement: str, heavy: tuple[str, ...]) -> None:
    code = f"import sys; {statement}; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
