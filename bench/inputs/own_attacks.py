"""A user's own attacks: functions found as ``file.py:function`` or as an installed entry point.

Importing this loads no torch.
"""

from __future__ import annotations

import importlib.metadata
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import UsageError

ENTRY_POINTS = "symbench.attacks"
GIVEN = ("model", "x", "y", "eps", "norm")
RESERVED = ("restarts", "best_iterate", "target", "targets", "seed", "code", "alpha_rule")

Default = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnAttack:
    """Where an attack comes from.

    Attributes:
        kind: ``file`` or ``entry point``.
        name: name in rows, never with a path.
        target: ``/path/to/file.py:function``, or the name of an entry point.
    """

    kind: str
    name: str
    target: str

    def load(self) -> Callable[..., Any]:
        """The function; raises ``UsageError`` if there is none, or its code cannot be imported."""
        from bench.inputs import own_models

        if self.kind == "entry point":
            return own_models.loaded(entry_points()[self.target], ENTRY_POINTS)
        return own_models.from_file(self.target)

    def code(self, function: Callable[..., Any]) -> str:
        """The first 16 digits of the sha256 of the user's files that the function computes with."""
        from torch import nn

        from bench.inputs import own_models
        from bench.inputs.own_code import code_digest

        if self.kind == "entry point":
            start = own_models.imported(entry_points()[self.target])
        else:
            start = own_models.module_of(self.kind, self.target)
        return code_digest(nn.Module(), start, function)[:16]


def entry_points() -> dict[str, importlib.metadata.EntryPoint]:
    """Installed attacks by name, from the entry-point group ``symbench.attacks``."""
    return {point.name: point for point in importlib.metadata.entry_points(group=ENTRY_POINTS)}


def find_attack(target: str) -> OwnAttack | None:
    """The attack with this name; ``None`` if it is neither a function in a file nor an entry point.

    Raises:
        UsageError: the file is missing, or no function of it was named.
    """
    path, _, function = target.rpartition(":")
    if target.endswith(".py"):
        raise UsageError(f"{target!r} names a file but no attack; write {target}:FUNCTION")
    if path.endswith(".py"):
        if not Path(path).is_file():
            raise UsageError(f"no attack file {path!r}; give --attacks path/to/file.py:function")
        name = f"{Path(path).stem}:{function}"
        return OwnAttack(kind="file", name=name, target=f"{Path(path).absolute()}:{function}")
    return OwnAttack(kind="entry point", name=target, target=target) if target in entry_points() else None


def description(source: OwnAttack) -> tuple[dict[str, Default], str]:
    """The parameters of an attack with their defaults, and the digest of its code; runs the user's code.

    Raises:
        UsageError: it cannot be loaded or called as an attack.
    """
    function = source.load()
    return _parameters(function, source.name), source.code(function)


def _parameters(function: Callable[..., Any], name: str) -> dict[str, Default]:
    """The parameters of a function besides those of every attack."""
    try:
        taken = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        taken = []
    first = [each for each in taken if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    if tuple(each.name for each in first[: len(GIVEN)]) != GIVEN:
        raise UsageError(
            f"attack {name!r} takes ({', '.join(map(str, taken))}); it must take ({', '.join(GIVEN)}) first"
        )
    others = [each for each in taken if each.name not in GIVEN and each.kind is not each.VAR_KEYWORD]
    for each in others:
        _check_parameter(each, name)
    return {each.name: each.default for each in others}


def _check_parameter(parameter: inspect.Parameter, name: str) -> None:
    if parameter.name in RESERVED:
        raise UsageError(
            f"attack {name!r} has a parameter {parameter.name!r}, which is the harness's own; give it another name"
        )
    default = parameter.default
    if default is parameter.empty or not isinstance(default, str | int | float | bool | None):
        raise UsageError(
            f"parameter {parameter.name!r} of attack {name!r} needs a default that is a number, a text, True, "
            "False or None"
        )
