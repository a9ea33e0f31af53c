"""``bench figure``: one figure for a paper, drawn from the store."""

from __future__ import annotations

import importlib
import shlex
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bench.engine.files import write_atomically
from bench.engine.store import store_at
from bench.errors import UsageError
from bench.studies.shared.screen import say

if TYPE_CHECKING:
    from bench.pages.captioned import Captioned

# kind → a function of store, data set, models and attack
KINDS = {
    "curves": "bench.studies.attacked.for_papers:curves",
    "scatter": "bench.studies.attacked.for_papers:scatter",
    "sandwich": "bench.studies.clever.for_papers:sandwich",
    "tradeoff": "bench.studies.tradeoff.for_papers:planes",
}


def execute(options: Namespace) -> int:
    """Writes one file, whose ending decides the format, and prints its caption."""
    from bench.pages.captioned import FORMATS, as_file

    out, place = Path(options.out), Path(options.store)
    kind = out.suffix.removeprefix(".")
    if kind not in FORMATS:
        raise UsageError(f"--out {options.out!r} must end in .{', .'.join(FORMATS)}")
    if not place.is_dir():
        raise UsageError(f"there is no store at {place}; measure something first, e.g. bench run --model all")
    models = () if options.models == "all" else tuple(options.models.split(","))
    drawn = _draw(options.kind)(store_at(place), options.dataset, models, options.attack)
    try:
        write_atomically(out, as_file(drawn, kind, shlex.join(["bench", *options.argv])))
    except OSError as fault:
        raise UsageError(f"cannot write {out}: {fault.strerror}") from fault
    print(drawn.caption)
    say(f"figure: {out}")
    return 0


def _draw(kind: str) -> Callable[..., Captioned]:
    module, _, name = KINDS[kind].partition(":")
    return getattr(importlib.import_module(module), name)
