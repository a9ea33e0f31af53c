"""``bench export``: per-image results for the user's own analysis."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from bench.engine.store import store_at
from bench.errors import UsageError
from bench.studies.robustness.export import image_table, kept_images
from bench.studies.robustness.history import chapters
from bench.studies.shared.screen import say

FORMATS = (".csv", ".parquet", ".npz")


def execute(options: Namespace) -> int:
    """Writes one file; its ending decides the format."""
    out = Path(options.out)
    if out.suffix not in FORMATS:
        raise UsageError(f"{options.out!r} must end in one of {', '.join(FORMATS)}")
    if not Path(options.store).is_dir():
        raise UsageError(f"there is no store at {options.store}; measure something first with bench run")
    store = store_at(Path(options.store))
    found = chapters(store, options.dataset)
    chosen = {"model": options.model, "attack": options.attack}
    content = (
        kept_images(store, found, **chosen) if out.suffix == ".npz" else image_table(store, found, **chosen)
    )
    if not len(content):
        raise UsageError("the store has no measurement of that model, attack and data set")
    try:
        content.write(out)
    except OSError as fault:
        raise UsageError(f"cannot write {out}: {fault.strerror}") from fault
    say(f"{out}: {len(content)} {content.unit}")
    return 0
