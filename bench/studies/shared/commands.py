"""The commands that a page rests on: a store joins the runs of one setting."""

from __future__ import annotations

from collections.abc import Hashable, Iterable


def joined_commands(runs: Iterable[tuple[str, Iterable[Hashable]]]) -> str:
    """The commands of some runs, one a line, the newest last; one that measured only what newer ones did is left out.

    Args:
        runs: the command of each and what it measured, the newest first.
    """
    seen: set[Hashable] = set()
    needed: dict[str, None] = {}
    for command, measured in runs:
        if new := {*measured} - seen:
            needed.setdefault(command)
            seen |= new
    return "\n".join(reversed(needed))


def newest_command(commands: str) -> str:
    """The newest of the commands of a page."""
    return commands.rpartition("\n")[2]
