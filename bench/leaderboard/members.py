"""The attacks behind a row of the leaderboard: its own, or all that a row ``worst(…)`` joins."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.attacks import ATTACKS, Request
from bench.attacks.request import BUDGET, TARGET
from bench.attacks.table import OWN, libraries_of
from bench.engine.cell import Scalar, sorted_params
from bench.errors import UsageError

WORST = "worst"
_PREFIX = "attacks="
_WORDS: dict[str, bool] = {"True": True, "False": False}


@dataclass(frozen=True, slots=True)
class Member:
    """One attack as it was run in one ball; two rows with the same member use the same cells.

    Attributes:
        attack: the attack with all its parameters, as ``stated`` writes it.
        curve, grid: as in the row of the attack alone.
        eps: radius of the ball.
        seed: its random starts derive from it.
    """

    attack: str
    curve: str
    grid: str
    eps: float
    seed: str


def is_worst(attack: str) -> bool:
    """Whether an attack's name in a leaderboard is of a row that joins several attacks."""
    return attack == WORST or attack.startswith(f"{WORST}(")


def stated(request: Request) -> str:
    """An attack with all its parameters, as ``torchattacks:pgd(restarts=1,steps=20)``."""
    params = ",".join(f"{k}={v}" for k, v in request.params_at(None))
    return f"{request.library}:{request.attack}({params})"


def named(params: str) -> dict[str, str]:
    """The columns ``attack`` and ``params`` of a row that joins the attacks which ``params`` states."""
    entries = sorted(params.removeprefix(_PREFIX).split(";"))
    names = {_label(entry) for entry in entries}
    return {"attack": f"{WORST}({','.join(sorted(names))})", "params": _PREFIX + ";".join(entries)}


def entries_of(params: str) -> list[tuple[str, str, dict[str, str]]]:
    """Library, name and parameters of each attack that ``params`` of a row ``worst(…)`` states."""
    found = []
    for entry in params.removeprefix(_PREFIX).split(";"):
        inside = entry.partition("(")[2].partition(")")[0]
        stated = {part.partition("=")[0]: part.partition("=")[2] for part in inside.split(",") if part}
        found.append((_library(entry), _name(entry), stated))
    return found


def members(row: Mapping[str, Any]) -> frozenset[Member] | None:
    """The attacks that a row joins, or its only one; ``None`` if this version does not know them."""
    own = {"curve": row["curve"], "grid": row["grid"], "eps": repr(row["eps"]), "seed": row["seeds"]}
    if not is_worst(row["attack"]):
        try:
            return frozenset({_member(stated(request_of(row)), own)})
        except UsageError:
            return None
    entries = row["params"].removeprefix(_PREFIX).split(";")
    return frozenset(_member(entry, own) for entry in entries)


def single_step(row: Mapping[str, Any]) -> bool:
    """Whether all attacks of a row take one step."""
    if is_worst(row["attack"]):
        attacks = [(name, library) for library, name, _ in entries_of(row["params"])]
    else:
        attacks = [(row["attack"], row["library"].partition("==")[0])]
    return all(each in ATTACKS and not ATTACKS[each].iterative for each in attacks)


def request_of(row: Mapping[str, Any]) -> Request:
    """The attack of a row, with all its parameters.

    Raises:
        UsageError: this version has no such attack, or the attack has other parameters than the row.
    """
    library = row["library"].partition("==")[0]
    stated = dict(part.partition("=")[::2] for part in row["params"].split(";") if part)
    given: dict[str, Scalar] = {
        **stated,
        **{name: row[name] for name in ("steps", "random_start", "restarts")},
    }
    given["alpha"] = row["alpha"] if row["alpha_rule"] == "absolute" else None
    given["best_iterate"] = row["iterate"] == "best"
    if library == OWN:
        own = sorted_params(_own_params(row, given))
        return Request(attack=row["attack"], library=library, norm=row["norm"], params=own)
    try:
        spec = ATTACKS[row["attack"], library]
        params = {name: _typed(given[name], default) for name, default in spec.params.items()}
        if TARGET in stated and spec.aimed:
            params[TARGET] = _read(stated[TARGET])
        if BUDGET in stated:
            params[BUDGET] = _read(stated[BUDGET])
        if set(stated) - set(params):
            raise ValueError
    except (KeyError, ValueError):
        raise UsageError(
            f"this version does not know {library}:{row['attack']} with the parameters of its row at "
            f"ε {row['eps']:.6g} ({row['params'] or 'none besides the columns'}); take the row out of the file"
        ) from None
    return Request(attack=row["attack"], library=library, norm=row["norm"], params=sorted_params(params))


def _own_params(row: Mapping[str, Any], given: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The parameters of a user's own attack: those in its row, with types guessed from their texts."""
    stated = {name: _read(value) for name, value in given.items() if value not in (None, "")}
    return stated | ({"alpha": given["alpha"]} if row["alpha_rule"] else {})


def _read(value: Scalar) -> Scalar:
    if not isinstance(value, str):
        return value
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(value)
    return {**_WORDS, "None": None}.get(value, value)


def _typed(value: Scalar, default: Scalar) -> Scalar:
    """A value of the type of the default; ``None`` only if the default is ``None``."""
    if default is None:
        return value
    if value is None:
        raise ValueError
    if not isinstance(value, str):
        return value
    return _WORDS[value] if isinstance(default, bool) else type(default)(value)


def _member(entry: str, own: Mapping[str, str]) -> Member:
    call, _, differs = entry.partition(")")
    differs, attack = differs.removeprefix("@"), f"{call})"
    place = {**own, **{part.partition("=")[0]: part.partition("=")[2] for part in differs.split(",") if part}}
    spec = ATTACKS.get((_name(attack), _library(attack)))
    if spec and spec.threat == "minimum_norm":
        place |= {"curve": "minimum_norm", "grid": ""}
    grid = place["grid"].replace("+", ";")
    return Member(attack, place["curve"], grid, float(place["eps"]), place["seed"])


def _label(entry: str) -> str:
    """The attack's name, with its library unless that is the default or a released script's own."""
    library, name = _library(entry), _name(entry)
    return f"{library}:{name}" if library in libraries_of(name)[1:] else name


def _library(entry: str) -> str:
    return entry.partition(":")[0]


def _name(entry: str) -> str:
    return entry.partition("(")[0].partition(":")[2]
