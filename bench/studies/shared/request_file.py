"""A request of ``bench run`` as a file, ``bench.toml``: its keys are the options of the command line."""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.errors import UsageError, nearest

SUFFIX = ".toml"
_OPTIONS = {"models": "model", "zoo": "model"}  # other names of an option
_KEYS = {"model": "models"}  # names that read better in a file
_LISTS = ("model", "attacks", "eps")  # options with commas, which are lists in a file
# options of the place of a run, which do not change it
_PLACES = ("json", "dry-run", "workers", "device", "cluster", "store", "leaderboard", "reports", "data-root")


def expanded(arguments: Sequence[str], known: Collection[str]) -> list[str]:
    """Arguments of ``bench run`` with the file replaced by its options.

    Options of the command line follow those of the file, so that they count.

    Args:
        arguments: ``run``, a path that ends in ``.toml``, and options; others are returned as they are.
        known: names of all options, without dashes.

    Raises:
        UsageError: the file cannot be read, or has a key or value that no option has.
    """
    if len(arguments) < 2 or arguments[0] != "run" or not arguments[1].endswith(SUFFIX):
        return list(arguments)
    return ["run", *_words(Path(arguments[1]), known), *arguments[2:]]


def _words(path: Path, known: Collection[str]) -> Iterator[str]:
    for key, value in _read(path).items():
        name = _OPTIONS.get(key, key).replace("_", "-")
        if name not in known:
            raise UsageError(
                f"{path} has the key {key!r}, which is no option of bench run; {nearest(name, known)}"
            )
        if value is True:
            yield f"--{name}"
        elif value is not False:
            yield f"--{name}={_text(path, key, value)}"


def _read(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as fault:
        raise UsageError(
            f"{path} cannot be read ({fault.strerror}); bench init writes a bench.toml"
        ) from fault
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise UsageError(f"{path} is no TOML ({fault}); bench init writes one to start from") from fault


def _text(path: Path, key: str, value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(each, (str, int, float)) for each in value):
        return ",".join(map(str, value))
    if isinstance(value, (str, int, float)):
        return str(value)
    raise UsageError(
        f"{path} has {key} = {value!r}; give a text, a number, true, or a list of texts and numbers"
    )


def as_file(command: str) -> str:
    """A ``bench run`` command as the text of a file that asks for the same; empty for others, and for several.

    Options of places and processes are left out.
    """
    try:
        words = shlex.split(command)
    except ValueError:  # a store may have any text
        return ""
    if words[:2] != ["bench", "run"] or "\n" in command:
        return ""
    found: dict[str, list[str] | bool] = {}
    for name, value in _pairs(words[2:]):
        if name not in _PLACES:
            before = found.get(name)
            found[name] = value is None or [*(before if isinstance(before, list) else []), value]
    return "\n".join(f"{_key(name)} = {_value(name, value)}" for name, value in found.items())


def _pairs(words: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Options with their values; ``None`` for one that takes none."""
    for word, after in zip(words, [*words[1:], "--"], strict=True):
        if word.startswith("--"):
            name, equals, value = word.removeprefix("--").partition("=")
            yield _OPTIONS.get(name, name), value if equals else None if after.startswith("--") else after


def _key(name: str) -> str:
    return _KEYS.get(name, name).replace("-", "_")


def _value(name: str, value: list[str] | bool) -> str:
    if isinstance(value, bool):
        return "true"
    if name in _LISTS:
        return json.dumps([part for each in value for part in each.split(",")], ensure_ascii=False)
    return value[-1] if value[-1].isdecimal() else json.dumps(value[-1], ensure_ascii=False)
