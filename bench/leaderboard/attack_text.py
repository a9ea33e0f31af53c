"""An attack of a row in one word, as ``pgd-20`` or ``worst(fgsm,pgd-20)``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from bench.attacks.table import ATTACKS, OWN_CODE, RELEASED_ATTACKS, Defaults, libraries_of
from bench.leaderboard.members import WORST, entries_of, is_worst

_COLUMNS = ("attack", "library", "params", "steps", "restarts", "random_start", "iterate")


def attack_text(row: Mapping[str, Any]) -> str:
    """The attack with its steps, then restarts as ``x5``; parameters that are not its defaults follow in brackets.

    The library is named where it is not the attack's first one. A row ``worst(…)`` names each of its attacks.
    """
    alpha = str(row["alpha"]) if row["alpha_rule"] == "absolute" else None
    return _attack(*(row[column] for column in _COLUMNS), alpha)


@lru_cache(maxsize=4096)  # a file has few attacks, in thousands of rows
def _attack(
    name: str,
    library: str,
    params: str,
    steps: int | None,
    restarts: int | None,
    random_start: bool | None,
    iterate: str,
    alpha: str | None,
) -> str:
    if is_worst(name):
        return f"{WORST}({','.join(sorted({_text(*entry) for entry in entries_of(params)}))})"
    columns = {"steps": steps, "restarts": restarts, "random_start": random_start, "alpha": alpha}
    columns["best_iterate"] = iterate == "best" if iterate else None
    stated = {part.partition("=")[0]: part.partition("=")[2] for part in params.split(";") if part}
    stated |= {column: str(value) for column, value in columns.items() if value is not None}
    return _text(library.partition("==")[0], name, stated)


def _text(library: str, name: str, params: Mapping[str, str]) -> str:
    defaults = _defaults(name, library)
    said = {
        "alpha": "None",
        "restarts": "1",
        "best_iterate": "False",
        **{key: str(value) for key, value in defaults.items()},
    }
    steps, restarts = params.get("steps"), params.get("restarts", "1")
    text = f"{library}:{name}" if library in libraries_of(name)[1:] else name
    text += f"-{steps}" if steps else ""
    text += f"x{restarts}" if restarts != "1" else ""
    shown = {key: value for key, value in params.items() if key not in ("steps", "restarts", OWN_CODE)}
    own = [f"{key}={value}" for key, value in sorted(shown.items()) if said.get(key) != value]
    return f"{text} ({', '.join(own)})" if own else text


def _defaults(name: str, library: str) -> Defaults:
    spec = ATTACKS.get((name, library)) or RELEASED_ATTACKS.get((name, library))
    return spec.params if spec else {}
