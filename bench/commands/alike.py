"""Whether this installation has the versions that a leaderboard's rows were measured with."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from bench.commands.machine import MachineFinding
from bench.engine.versions import versions
from bench.errors import UsageError
from bench.leaderboard import file as leaderboard


def like(path: Path) -> list[MachineFinding]:
    """A finding for each package that the rows name; where rows differ, the versions of most rows are compared.

    Args:
        path: a leaderboard.

    Raises:
        UsageError: there is none, or its rows name no versions.
    """
    if not path.is_file():
        raise UsageError(f"there is no leaderboard at {path}; give --like FILE")
    sets = Counter(row["versions"] for row in leaderboard.read(path) if row["versions"])
    if not sets:
        raise UsageError(f"the rows of {path} name no versions; measure them again with bench run")
    (text, count), *_ = sets.most_common()
    parts, installed = (part.partition("=")[::2] for part in text.split(";")), versions()
    wanted = {name: version for name, version in parts if name in installed}
    findings = [_compared(name, version, installed[name]) for name, version in wanted.items()]
    same = all(each.status == "ok" for each in findings)
    rows = f"{count} of {sets.total()} rows were measured with these versions"
    remedy = "pip install " + " ".join(f"{name}=={version}" for name, version in wanted.items())
    return [
        *findings,
        MachineFinding(status="ok", what=path.name, detail=rows, remedy="" if same else remedy),
    ]


def _compared(name: str, wanted: str, found: str) -> MachineFinding:
    if found == wanted:
        return MachineFinding(status="ok", what=name, detail=found)
    return MachineFinding(
        status="warn", what=name, detail=f"{found}; the rows have {wanted}, so numbers may differ"
    )
