"""The columns of a leaderboard row."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Mapping
from typing import Any

from bench.engine.protocols import released_rules
from bench.engine.shards import BATCH
from bench.inputs.model_info import ModelInfo

SCHEMA = 7  # 7 split full rows into results and runs, with a leaderboard made of them
CLEVER_BATCH = 10  # images of a cell of CLEVER by default
Row = dict[str, Any]
# column → kind of its values; what these columns mean is in docs/leaderboard.md
_IDENTITY: dict[str, str] = {
    "model": "text",
    "weights": "text",
    "dataset": "text",
    "data": "text",
    "n": "int",
    "attack": "text",
    "library": "text",
    "norm": "text",
    "eps": "float",
    "curve": "text",
    "grid": "text",
    "steps": "int",
    "alpha": "float",
    "alpha_rule": "text",
    "random_start": "bool",
    "restarts": "int",
    "iterate": "text",
    "params": "text",
    "seeds": "text",
    "batch": "int",
    "protocol": "text",
    "backend": "text",
}
_VALUES: dict[str, str] = {
    "trained_on": "text",
    "parameters": "int",
    "clean_acc": "float",
    "clean_lo": "float",
    "clean_hi": "float",
    "robust_acc": "float",
    "robust_lo": "float",
    "robust_hi": "float",
    "robust_given_clean": "float",
    "robust_given_clean_lo": "float",
    "robust_given_clean_hi": "float",
    "clean_right": "int",
    "robust": "int",
    "audit": "text",
    "stronger": "text",
    "suspect": "text",
    "vanished": "int",
    "nonfinite": "int",
    "projected": "int",
    "silent": "int",
    "split": "int",
    "clever_median": "float",
    "clever_lo": "float",
    "clever_hi": "float",
    "clever_mean": "float",
    "clever_censored": "float",
    "clever_fallback": "float",
    "clever_zero_gradient": "float",
    "clever_above_attack": "float",
    "attack_median": "float",
    "mce": "float",
    "relative_mce": "float",
    "mce_baseline": "text",
    "gradients": "int",
    "seconds": "float",
    "digest": "text",
    "versions": "text",
    "schema": "int",
    "symbench": "text",
    "date": "text",
}
KINDS = {**_IDENTITY, **_VALUES}
IDENTITY: tuple[str, ...] = tuple(_IDENTITY)
COLUMNS: tuple[str, ...] = tuple(KINDS)
TIMING: tuple[str, ...] = ("seconds", "date")
ERRORS: tuple[str, ...] = ("mce", "relative_mce", "mce_baseline")
_CLEVER = {column for column in KINDS if column.startswith("clever_")} | {"attack_median"}
# the schema that added a column; all others are from the first
SINCE: dict[str, int] = {
    **dict.fromkeys(_CLEVER, 2),
    **dict.fromkeys(("iterate", "audit", "silent"), 3),
    **dict.fromkeys(("stronger", *ERRORS), 4),
    "suspect": 5,
    "batch": 6,
    "split": 7,
    "date": 7,
}
_ATTACK = {
    "eps", "steps", "alpha", "random_start", "restarts", "robust_acc", "robust_lo", "robust_hi",
    "robust_given_clean", "robust_given_clean_lo", "robust_given_clean_hi",
    "robust", "vanished", "nonfinite", "projected", "silent",
}  # fmt: skip
_CORRUPTION = {"mce", "relative_mce"}
OPTIONAL = _CLEVER | _ATTACK | _CORRUPTION | {"batch", "split"}  # numbers that do not apply to every row


def columns_of(schema: int, columns: Iterable[str] = COLUMNS) -> tuple[str, ...]:
    """Those of ``columns`` that rows of a schema have."""
    return tuple(column for column in columns if SINCE.get(column, 1) <= schema)


def made_with(versions: Mapping[str, str], model: ModelInfo) -> str:
    """The packages that computed a row, and the model's precision if it is not float32."""
    facts = {name: version for name, version in sorted(versions.items()) if name != "symbench"}
    if model.precision != "float32":
        facts["precision"] = model.precision
    return _joined(f"{name}={value}" for name, value in facts.items())


def _complete(row: Row) -> Row:
    """The row in the order of the columns; only a number that need not apply may be absent."""
    return {column: row.get(column) if column in OPTIONAL else row[column] for column in COLUMNS}


def _joined(parts: Iterable[str]) -> str:
    return ";".join(parts)


def version() -> str:
    """Version of the installed package; ``unknown`` if it is not installed."""
    try:
        return importlib.metadata.version("symbench")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def identity(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """The identity of a row's measurement; rows with the same one are the same measurement."""
    return tuple(row[column] for column in IDENTITY)


def batch_before(row: Mapping[str, Any]) -> int | None:
    """The batch of a row that does not state it: up to schema 5 each kind of row had one."""
    if released_rules(row["protocol"]) is not None:
        return None
    return CLEVER_BATCH if row["attack"] == "clever" else BATCH
