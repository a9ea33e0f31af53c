"""Results into ``leaderboard.csv``: one row a model, attack and ε, merged by what the row was measured on."""

from __future__ import annotations

import csv
import hashlib
import importlib.metadata
import io
import math
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from bench.errors import UsageError
from bench.results import Curve, ModelResult, Results
from bench.stats import Share, wilson

SCHEMA = 1

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
    "params": "text",
    "seeds": "text",
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
    "vanished": "int",
    "nonfinite": "int",
    "projected": "int",
    "gradients": "int",
    "seconds": "float",
    "digest": "text",
    "versions": "text",
    "schema": "int",
    "symbench": "text",
}
_KINDS = {**_IDENTITY, **_VALUES}

IDENTITY: tuple[str, ...] = tuple(_IDENTITY)
COLUMNS: tuple[str, ...] = tuple(_KINDS)
TIMING: tuple[str, ...] = ("seconds",)
OLDER: dict[int, tuple[str, ...]] = {}  # columns of earlier schemas, each a part of COLUMNS

_OPTIONAL = {
    "steps", "alpha", "random_start", "restarts",
    "robust_given_clean", "robust_given_clean_lo", "robust_given_clean_hi",
}  # fmt: skip
_REMEDY = "move it away or give another --leaderboard FILE"


def rows(results: Results) -> list[Row]:
    """The rows of some results, in the order of models, attacks and ε.

    Returns:
        Dictionaries with the keys ``COLUMNS``; values are str, int, finite float or bool, and ``None`` where
        a number does not apply. Accuracies are fractions in [0, 1] with Wilson's 95 % interval.
    """
    return [
        _row(results, model, curve, i)
        for model in results.models
        for curve in model.curves
        for i in range(len(results.setting.eps))
    ]


def _row(results: Results, model: ModelResult, curve: Curve, i: int) -> Row:
    setting, clean, standing = results.setting, model.clean, curve.standing[i]
    right, robust = int(clean.correct.sum()), int(standing.sum())
    row: Row = {
        "model": model.info.name,
        "weights": model.info.weights,
        "dataset": setting.dataset,
        "data": setting.data,
        "n": setting.n,
        "curve": setting.curve,
        "grid": _joined(map(repr, setting.eps[: i + 1])) if setting.curve == "cumulative" else "",
        "seeds": str(setting.seed),
        "protocol": setting.protocol,
        "backend": setting.backend,
        **_attack(curve, float(setting.eps[i])),
        "trained_on": model.info.trained_on,
        "parameters": model.info.parameters,
        **_share("clean", wilson(right, setting.n), "clean_acc"),
        **_share("robust", wilson(robust, setting.n), "robust_acc"),
        **_share("robust_given_clean", wilson(robust, right) if right else None, "robust_given_clean"),
        "clean_right": right,
        "robust": robust,
        "vanished": int((clean.correct & (clean.grad_norm == 0)).sum()),
        "nonfinite": int(np.sum(curve.nonfinite[i])),
        "projected": int(np.sum(curve.projected[i])),
        "gradients": int(curve.gradients[i]),
        "seconds": round(float(curve.seconds[i]), 3),
        "digest": curve.digest[i],
        "versions": _joined(f"{k}={v}" for k, v in sorted(results.versions.items()) if k != "symbench"),
        "schema": SCHEMA,
        "symbench": results.versions.get("symbench") or _version(),
    }
    return {column: row[column] for column in COLUMNS}


def _attack(curve: Curve, eps: float) -> Row:
    """The columns that say which attack it was; parameters without a column of their own go to ``params``."""
    params = dict(curve.request.params_at(eps))
    alpha = params.pop("alpha", None)
    return {
        "attack": curve.request.attack,
        "library": curve.library,
        "norm": curve.request.norm,
        "eps": eps,
        "steps": params.pop("steps", None),
        "alpha": None if alpha is None else float(alpha),
        "alpha_rule": params.pop("alpha_rule", None) or "",
        "random_start": params.pop("random_start", None),
        "restarts": params.pop("restarts", None),
        "params": _joined(f"{name}={value}" for name, value in sorted(params.items())),
    }


def _share(prefix: str, share: Share | None, name: str) -> Row:
    values = (share.value, share.lo, share.hi) if share else (None, None, None)
    return dict(zip((name, f"{prefix}_lo", f"{prefix}_hi"), values, strict=True))


def _joined(parts: Iterable[str]) -> str:
    return ";".join(parts)


def _version() -> str:
    try:
        return importlib.metadata.version("symbench")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def read(path: Path) -> list[Row]:
    """The rows of a leaderboard, as ``rows`` makes them; columns an older schema lacks are ``None`` or ''.

    Raises:
        UsageError: the file cannot be read, is not a leaderboard, is damaged, or is of a newer schema; the
            message names file, line and remedy.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror or error}); {_REMEDY}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not a leaderboard: it is not UTF-8 text; {_REMEDY}") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line, found = 1, []
    try:
        header = tuple(next(reader, ()))
        _check_header(path, header)
        if not text.endswith("\n"):
            line = text.count("\n") + 1
            raise ValueError("the last line is cut off")
        line = reader.line_num + 1
        for fields in reader:
            found.append(_parse(header, fields))
            line = reader.line_num + 1
    except (csv.Error, ValueError) as error:
        raise UsageError(f"{path} is damaged at line {line}: {error}; {_REMEDY}") from None
    return found


def _check_header(path: Path, header: tuple[str, ...]) -> None:
    if header == COLUMNS or header in OLDER.values():
        return
    if {"schema", "symbench", "model", "robust_acc"} <= set(header) and set(header) > set(COLUMNS):
        raise UsageError(f"{path}: line 1 has columns of a newer schema than {SCHEMA}; {_newer()}")
    raise UsageError(f"{path} is not a leaderboard: line 1 is not the header of one; {_REMEDY}")


def _newer() -> str:
    return f"install a newer symbench (this is {_version()}), {_REMEDY}"


def _parse(header: tuple[str, ...], fields: list[str]) -> Row:
    """One row; ``UsageError`` and ``ValueError`` say what is wrong with it."""
    if len(fields) != len(header):
        raise ValueError(f"it has {len(fields)} fields instead of {len(header)}")
    raw = dict(zip(header, fields, strict=True))
    schema = _value("schema", raw["schema"], frozenset())
    if schema > SCHEMA:
        raise ValueError(f"it is of schema {schema}, newer than {SCHEMA}: {_newer()}")
    absent = frozenset(COLUMNS) - set(OLDER.get(schema, COLUMNS))
    return {column: _value(column, raw.get(column, ""), absent) for column in COLUMNS}


def _value(column: str, text: str, absent: frozenset[str]) -> Any:
    kind = _KINDS[column]
    if kind == "text":
        return text
    if text == "" and (column in _OPTIONAL or column in absent):
        return None
    try:
        if kind == "bool":
            return {"true": True, "false": False}[text]
        number = int(text) if kind == "int" else float(text)
    except (ValueError, KeyError):
        raise ValueError(f"{column} is {text!r}") from None
    if not math.isfinite(number):
        raise ValueError(f"{column} is {text!r}")
    return number


def merge(path: Path, new: Iterable[Mapping[str, Any]]) -> None:
    """Puts rows into a leaderboard: a row of the same identity is replaced, all others stay.

    Rows are sorted by identity. The file is replaced as a whole, under a lock among processes of one user
    on one machine; a reader sees the old file or the new one.

    Args:
        path: the leaderboard; made if it is not there. Its directory must exist.
        new: rows as ``rows`` makes them.

    Raises:
        UsageError: the file there is not a leaderboard this version reads (it is left as it is), or it
            cannot be written.
    """
    path = _target(path)
    try:
        with _lock(path):
            known = {identity(row): row for row in (read(path) if path.exists() else [])}
            known.update((identity(row), dict(row)) for row in new)
            _write(path, _text(known[key] for key in sorted(known, key=_order)))
    except Timeout:
        raise UsageError(f"{path} has been locked by another process for a minute; try again later") from None
    except (OSError, UnicodeEncodeError) as error:
        raise _unwritable(path, error) from None


def identity(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What a row was measured on and how; rows that share it are the same measurement."""
    return tuple(row[column] for column in IDENTITY)


def _order(key: tuple[Any, ...]) -> tuple[tuple[bool, Any], ...]:
    return tuple((value is not None, value) for value in key)


def check_writable(path: Path) -> None:
    """Says before measuring whether ``merge`` could write there; leaves nothing behind.

    Raises:
        UsageError: as ``merge`` would.
    """
    path = _target(path)
    try:
        if path.exists():
            read(path)
            if not os.access(path, os.W_OK):
                raise PermissionError(13, "Permission denied")
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise _unwritable(path, error) from None


def _target(path: Path) -> Path:
    """The file itself where ``path`` is a link to it; refuses what is not a plain file."""
    try:
        target = Path(path).resolve()
        special = target.exists() and not target.is_file()
    except (OSError, RuntimeError, ValueError) as error:
        raise _unwritable(Path(path), error) from None
    if special:
        raise UsageError(f"{path} is not a plain file; give another --leaderboard FILE")
    return target


def _unwritable(path: Path, error: Exception) -> UsageError:
    reason = getattr(error, "strerror", None) or str(error)
    return UsageError(f"{path} cannot be written ({reason}); give a --leaderboard FILE that can be")


def _lock(path: Path) -> FileLock:
    user = os.getuid() if hasattr(os, "getuid") else ""
    name = hashlib.sha256(str(path).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return FileLock(Path(tempfile.gettempdir()) / f"symbench-{user}-{name}.lock", timeout=60)


def _text(sorted_rows: Iterable[Mapping[str, Any]]) -> str:
    """The file's text; floats in the shortest form that reads back as the same number."""
    stream = io.StringIO(newline="")
    plain = csv.writer(stream, lineterminator="\n")
    quoted = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)
    plain.writerow(COLUMNS)
    for row in sorted_rows:
        cells = [_cell(row[column]) for column in COLUMNS]
        # csv does not quote a bare carriage return, but ends the line there when it reads
        (quoted if any("\r" in cell for cell in cells) else plain).writerow(cells)
    return stream.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def _write(path: Path, text: str) -> None:
    """Replaces the file as a whole; the temporary file has one name, so a killed run leaves at most one."""
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(13, "Permission denied")
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with open(temporary, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
