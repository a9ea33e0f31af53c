"""Names of models from files in rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.errors import UsageError
from bench.inputs.sources import ModelSource


def check_name(name: str, remedy: str = "give another with --as NAME") -> str:
    """The name, if it is safe in a table; ``UsageError`` if a spreadsheet or a terminal would act on it."""
    if not name.strip() or name[0] in "=+-@" or not name.isprintable():
        raise UsageError(
            f"the name {name!r} is empty, begins with one of = + - @ or has control characters; {remedy}"
        )
    return name


def named(sources: Sequence[ModelSource], names: Sequence[str] = ()) -> list[ModelSource]:
    """The sources with distinct names: the given ones, or the shortest paths that differ.

    Args:
        sources: the models of a run, each once.
        names: one for each model from a file, in their order; or none.

    Raises:
        UsageError: there are more or fewer names than files, or two models would share one.
    """
    own = [source for source in sources if source.kind == "file"]
    if names and len(names) != len(own):
        raise UsageError(f"--as gives {len(names)} names for {len(own)} models from files; give one for each")
    chosen = dict(zip(own, names or _shortest(own), strict=True))
    found = [replace(source, name=chosen.get(source, source.name)) for source in sources]
    for source in found:
        check_name(source.name)
    for name, count in Counter(source.name for source in found).items():
        if count > 1:
            raise UsageError(
                f"{count} models of this run would be called {name!r}; tell them apart with --as NAME"
            )
    return found


def _shortest(own: Sequence[ModelSource]) -> list[str]:
    """``stem:factory``, with as many parent directories as the files of one stem need to differ."""
    places = [Path(source.target.rpartition(":")[0]).resolve().with_suffix("").parts for source in own]
    factories = [
        source.name.rpartition(":")[2] for source in own
    ]  # with the recipe, where it is trained here

    def name(i: int, parts: int) -> str:
        return f"{'/'.join(places[i][-parts:])}:{factories[i]}"

    def short(i: int) -> str:
        rivals = [j for j in range(len(own)) if places[j] != places[i]]
        lengths = range(1, len(places[i]))
        return next(
            (name(i, k) for k in lengths if all(name(j, k) != name(i, k) for j in rivals)), name(i, 1)
        )

    return [short(i) for i in range(len(own))]
