"""Imports go one way; a file that is not in the order has no place yet."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ORDER = """
zoo.errors zoo.grouped zoo.notes zoo.spatial
zoo.entries zoo.folders zoo.schedule zoo.layers zoo.weights
zoo.arrays zoo.recipes
zoo.cifar zoo.cifar10c zoo.corruptions
zoo.data zoo.models
zoo.deployment zoo.registry zoo.resident
zoo
zoo.adversarial zoo.checkpoints
zoo.held_out zoo.losses zoo.progress zoo.training
zoo.writing
zoo.train
bench.parsing bench.signals
bench.arguments bench.errors
bench.rooms bench.preparation bench.files bench.foreign bench.memo bench.own_code
bench.candidates bench.script_digest bench.stats bench.switches
bench.paired bench.eps bench.weights_file
bench.own_models
bench.cell
bench.protocols
bench.attacks
bench.results
bench.balls
bench.members
bench.plan
bench.judge
bench.board bench.iterates
bench.measure
bench.theory bench.clever bench.released bench.mip bench.spatial
bench.audit
bench.audit_plan
bench.records
bench.array_data bench.database bench.gradient_free bench.old_store bench.sources
bench.store
bench.executors bench.first_look bench.images bench.naming bench.released.collect
bench.run
bench.apart_collect
bench.collect bench.clever_collect
bench.audit_collect
bench.history
bench.groups
bench.ranking bench.rows
bench.paper
bench.tradeoff
bench.clever_rows bench.replicas bench.row_verdicts bench.spatial_rows
bench.corruption_errors
bench.leaderboard
bench.report
bench.ask bench.inspection
bench.evaluation bench.export bench.comparing
bench.apart_evaluation bench.corruption_run
bench.estimate bench.api bench.regression bench.clever_evaluation bench.audit_evaluation bench.mip_evaluation
bench.spatial_evaluation
bench.reproduction_collect bench.reproduction_weights bench.tradeoff_collect
bench.reproduction bench.tradeoff_evaluation
bench.reproduction_run
bench
bench.doctor
bench.alike
bench.commands
bench.cli
"""
RANKS = {name: rank for rank, line in enumerate(ORDER.split("\n")) for name in line.split()}
FILES = sorted([*ROOT.glob("zoo/**/*.py"), *ROOT.glob("bench/**/*.py")])


def place(module: str) -> str:
    """The longest listed name a module lies in: ``bench.attacks.table`` lies in ``bench.attacks``."""
    parts = module.split(".")
    names = [".".join(parts[: i + 1]) for i in range(len(parts))]
    found = [name for name in names if name in RANKS]
    return found[-1] if found else ""


def module_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(file: Path) -> set[str]:
    """Our own modules a file imports when it is loaded; those inside functions count too."""
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
    own = place(module_of(file))
    if module_of(file) in ("zoo", "bench"):
        return  # the packages' lazy lists of public names
    assert own not in ("", "zoo", "bench"), f"{file} has no place in the order"
    for name in imports_of(file):
        other = place(name)
        assert other == own or RANKS[other] < RANKS[own], f"{file} imports {name}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_files_are_small(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 320


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        ("import bench.cli; bench.cli.parser()", ("torch", "numpy", "pandas", "rich", "jinja2")),
        ("import zoo, bench", ("torch", "numpy", "pandas")),
        ("import bench.attacks", ("torch", "torchattacks", "foolbox")),
        ("import bench.report", ("matplotlib", "seaborn", "torch")),
        ("import zoo.train", ("bench",)),
    ],
)
def test_what_an_import_does_not_load(statement: str, heavy: tuple[str, ...]) -> None:
    code = f"import sys; {statement}; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
