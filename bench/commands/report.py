"""``bench report``: draws the pages again from what the store holds, and marks the leaderboard's rows."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from bench.commands import clever, mip, reproduce, spatial, tradeoff
from bench.commands.places import check_directory
from bench.engine.store import DirectoryStore, Store
from bench.errors import UsageError
from bench.leaderboard import file as leaderboard
from bench.studies.attacked.drawing import write_page
from bench.studies.audit.collect import audit_history, verdicts
from bench.studies.clever.collect import clever_history
from bench.studies.mip.evaluation import mip_history
from bench.studies.paper.collect import reproductions
from bench.studies.robustness.history import chapters
from bench.studies.shared.screen import say
from bench.studies.spatial.evaluation import spatial_history
from bench.studies.tradeoff.collect import tradeoffs


def execute(options: Namespace) -> int:
    """Writes a page for every data set of the store, or for the one named; marks the leaderboard if it is there."""
    path, pages = Path(options.store), Path(options.reports)
    if not path.is_dir():
        raise UsageError(f"there is no store at {path}; measure something first, e.g. bench run --zoo all")
    check_directory(pages)
    store = DirectoryStore(path)
    leaderboard.mark(Path(options.leaderboard), verdicts(audit_history(store)))
    known = dict.fromkeys(
        [chapter.setting.dataset for chapter in chapters(store)]
        + [results.setting.dataset for results in clever_history(store)]
        + [results.setting.dataset for results in mip_history(store)]
        + [results.setting.dataset for results in spatial_history(store)]
        + list(tradeoffs(store))
        + list(reproductions(store))
    )
    if options.dataset is not None and options.dataset not in known:
        raise UsageError(f"the store has no runs on {options.dataset!r}; it has {', '.join(known) or 'none'}")
    for dataset in known if options.dataset is None else (options.dataset,):
        possible = (
            _page(store, dataset, pages),
            clever.write_page(store, dataset, pages),
            mip.write_page(store, dataset, pages),
            spatial.write_page(store, dataset, pages),
            tradeoff.write_page(store, dataset, pages),
            reproduce.write_page(store, dataset, pages),
        )
        drawn = [page for page in possible if page]
        for page in drawn:
            say(f"page: {page}")
        if not drawn:
            say(f"{dataset}: no complete curve in the store yet")
    return 0


def _page(store: Store, dataset: str, pages: Path) -> Path | None:
    if not chapters(store, dataset):
        return None
    return write_page(store, dataset, pages, (), audit_history(store, dataset))
