"""``bench list``: the models, attacks, data sets and commands."""

from __future__ import annotations

import importlib.util
import json
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatch
from functools import partial
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.attacks import ATTACKS, PRESETS
from bench.attacks.table import OWN
from bench.engine.studies import plugin_names
from bench.errors import UsageError
from bench.inputs import own_attacks
from bench.inputs.libraries import LIBRARIES, library_names
from bench.inputs.own_models import entry_points
from bench.studies import STUDIES
from zoo import entries, registry

_FETCHED = "--data-root with NAME.npz or torchvision's files, --download"
_ANY = "one size, 8 or more along each side"
DATASETS = (
    ("digits", "1×16×16", "1,437", "360", "embedded (scikit-learn)"),
    ("cifar10", "3×32×32", "50,000", "10,000", _FETCHED),
    ("cifar100", "3×32×32", "50,000", "10,000", _FETCHED),
    ("torchvision:NAME", "those of MNIST, SVHN, …", "", "", "torchvision's files in --data-root, --download"),
    ("imagenet:DIR", "3×224×224, or --resize N", "", "50,000", "DIR/val/WNID/* or DIR/WNID/*"),
    ("folder:PATH", _ANY, "", "", "PATH/test/CLASS/* or PATH/val/CLASS/*, PATH/train/CLASS/*"),
    ("npz:FILE", _ANY, "", "", "keys x_test, y_test, x_train, y_train, classes"),
    ("hf:NAME[:SPLIT]", _ANY, "", "", "the Hugging Face hub's cache, --download, or a saved directory"),
    ("cifar10c[:NAME]", "3×32×32", "", "10,000 × 19 × 5", "--data-root: the files of CIFAR-10-C"),
    ("corrupted:BASE[:NAME]", "as BASE", "", "BASE × 19 × 5, grey × 18 × 5", "made when measured"),
)


def execute(options: Namespace) -> int:
    """Prints the requested tables, or all."""
    parts: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "commands": _commands,
        "models": _models,
        "attacks": _attacks,
        "datasets": _datasets,
    }
    library = (options.pattern or "").partition(":")[0]
    if options.cost and (options.what != "models" or library in LIBRARIES):
        raise UsageError("--cost is about models of the zoo: bench list models --cost")
    if options.what == "models" and library in LIBRARIES:
        parts["models"] = partial(_of_library, library)
    found = {name: rows() for name, rows in parts.items() if options.what in (None, name)}
    if options.pattern:
        found = {name: _like(options.pattern, name, rows) for name, rows in found.items()}
    if options.cost:
        from bench.commands.costs import cost_rows

        found = {"models": list(cost_rows(row["model"] for row in found["models"]))}
    if options.json:
        print(json.dumps(found))
        return 0
    for name, table in found.items():
        _print(name, table)
    return 0


def _like(pattern: str, what: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows whose name, in the first column, is like a pattern; ``UsageError`` for none."""
    if found := [row for row in rows if fnmatch(next(iter(row.values())), pattern)]:
        return found
    raise UsageError(f"no {what} are named like {pattern!r}; leave it out to see them all")


def _commands() -> list[dict[str, Any]]:
    """The studies, those of installed packages too."""
    rows = [{"command": f"bench {name}", "what it does": about} for name, (_, about) in STUDIES.items()]
    return rows + [{"command": f"bench {name}", "what it does": "a plug-in"} for name in plugin_names()]


def _of_library(library: str) -> list[dict[str, Any]]:
    return [
        {"model": f"{library}:{name}", "weights": weights or "random only: @none"}
        for name, weights in library_names(library).items()
    ]


def _models() -> list[dict[str, Any]]:
    """The entries of the zoo, other models with weights here, and installed models."""
    known = {**registry.records(registry.LOCAL), **registry.shipped()}
    rows = []
    for name in dict.fromkeys([*entries.ENTRIES, *sorted(record.name for record in known.values())]):
        entry = entries.parsed(name)
        weights = [record for record in known.values() if record.name == name]
        rows.append(
            {
                "model": name,
                "layers": entry.depth,
                "recipe": entry.recipe,
                "parameters": {r.dataset: r.parameters for r in weights},
                "clean accuracy": {r.dataset: r.clean_acc for r in weights if r.clean_acc is not None},
                "weights": ", ".join(r.sha256[:8] for r in weights) or "none: bench train",
            }
        )
    for name, point in entry_points().items():
        rows.append({"model": name, "recipe": _installed(point.module)})
    return rows


def _installed(module: str) -> str:
    """Whether an entry point's module can be found, without importing it."""
    try:
        found = importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        found = False
    return "installed (entry point)" if found else f"broken (entry point): no module {module}"


def _attacks() -> list[dict[str, Any]]:
    return (
        [
            {
                "attack": spec.name,
                "library": spec.library,
                "looks in": {"ball": "ball", "minimum_norm": "box", "spatial": "turns, shifts"}[spec.threat],
                "norms": ", ".join(spec.norms),
                "defaults": ", ".join(
                    f"{name}={'2.5·ε/steps' if value is None else value}"
                    for name, value in spec.params.items()
                ),
                "what it does": spec.about,
            }
            for spec in ATTACKS.values()
        ]
        + [{"attack": name, "library": "", "what it does": _preset(parts)} for name, parts in PRESETS.items()]
        + [
            {"attack": name, "library": OWN, "looks in": "ball", "what it does": _installed(point.module)}
            for name, point in own_attacks.entry_points().items()
        ]
    )


def _preset(parts: Iterable[tuple[str, Mapping[str, Any]]]) -> str:
    """The attacks of a set, as in ``pgd (restarts 5), apgd_t``."""
    return "the set " + ", ".join(
        name + (f" ({', '.join(f'{k} {v}' for k, v in own.items())})" if own else "") for name, own in parts
    )


def _datasets() -> list[dict[str, Any]]:
    columns = ("dataset", "images", "train", "test", "where")
    return [dict(zip(columns, row, strict=True)) for row in DATASETS]


def _shown(value: Any) -> str:
    """A value of a table as text: accuracies in percent, counts with separators of thousands."""
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_shown(each)}" for name, each in value.items())
    if isinstance(value, float):
        return f"{100 * value:.1f} %"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _print(title: str, rows: list[dict[str, Any]]) -> None:
    columns: Mapping[str, None] = dict.fromkeys(column for row in rows for column in row)
    table = Table(title=title)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(escape(_shown(row.get(column))) for column in columns))
    Console(width=None if Console().is_terminal else 160).print(table)
