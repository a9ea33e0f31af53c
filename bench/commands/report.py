"""``bench report``: draws the pages again from the store, and marks the leaderboard's rows."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.commands.places import check_directory
from bench.engine.store import DirectoryStore
from bench.engine.studies import all_names, find_study
from bench.engine.study import Study
from bench.errors import UsageError
from bench.leaderboard import file as leaderboard
from bench.studies.audit.collect import audit_history, verdicts
from bench.studies.shared.screen import say


def execute(options: Namespace) -> int:
    """Writes the pages of every data set of the store, or of the one named; marks the leaderboard if it is there."""
    path, pages = Path(options.store), Path(options.reports)
    if not path.is_dir():
        raise UsageError(f"there is no store at {path}; measure something first, e.g. bench run --model all")
    check_directory(pages)
    store = DirectoryStore(path)
    leaderboard.mark(Path(options.leaderboard), verdicts(audit_history(store)))
    known = {study: dict.fromkeys(study.datasets(store)) for study in _studies()}
    datasets = dict.fromkeys(dataset for found in known.values() for dataset in found)
    if options.dataset is not None and options.dataset not in datasets:
        raise UsageError(
            f"the store has no runs on {options.dataset!r}; it has {', '.join(datasets) or 'none'}"
        )
    for dataset in datasets if options.dataset is None else (options.dataset,):
        named = (study for study in known if dataset in known[study])
        drawn = [page for study in named for page in study.pages(store, dataset, pages)]
        for page in drawn:
            say(f"page: {page}")
        if not drawn:
            say(f"{dataset}: no complete curve in the store yet")
    if (index := pages / "index.html").exists():
        say(f"all pages: {index}")
    return 0


def _studies() -> Iterator[Study[Any, Any]]:
    """All studies; a plug-in that cannot be loaded is named and left out."""
    for name in all_names():
        try:
            yield find_study(name)
        except UsageError as fault:
            say(f"bench: {fault}")
