"""The last lines of a command: the path of its page, and the next useful command."""

from __future__ import annotations

import contextlib
import shlex
import threading
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from bench.studies.shared.options import data_for_terminal, model_names, models_for_terminal
from bench.studies.shared.screen import say

DRAWING = 1.0  # seconds after which a line says that figures are drawn
MOST = 4  # models at most that the next command compares
# study → the command that is useful after it, and what for
NEXT: dict[str, tuple[str, str]] = {
    "run": ("audit", "can these numbers be believed?"),
    "audit": ("leaderboard", "all models ranked"),
    "clever": ("certify", "proven bounds beside these estimates"),
    "certify": ("audit", "can the attacks' numbers be believed?"),
    "detect": ("audit", "can the attacks' numbers be believed?"),
    "invariance": ("run", "the other kind of attack on the same models"),
    "theory": ("clever", "how far images are from the boundary"),
    "mip": ("spatial", "rotations and translations"),
    "spatial": ("run", "attacks on the same models"),
    "tradeoff": ("leaderboard", "all models ranked"),
    "reproduce": ("leaderboard", "all models ranked"),
}


def next_command(study: str, options: Namespace) -> str:
    """The next useful command after a study, with the models and the data of this one.

    Empty after a plug-in's study, and after smoothing.

    Args:
        study: its name; ``audit`` also after a run whose models have been audited.
        options: of the command.
    """
    if study not in NEXT or (study == "certify" and options.method == "smoothing"):
        return ""  # an audit would look at the network that is not smoothed
    store = "" if options.store == ".symbench" else f"--store {shlex.quote(options.store)}"
    if study == "audit" and options.command == "run" and 1 < len(names := _shown_names(options)) <= MOST:
        return (
            f"{' '.join(filter(None, ('bench compare', shlex.join(names), store)))}   # which is more robust?"
        )
    from bench.studies.audit.evaluation import DEFAULT_N  # loads torch

    command, why = NEXT[study]
    if command == "leaderboard":
        file = getattr(options, "leaderboard", "leaderboard.csv")  # studies without rows have no such option
        own = "" if file == "leaderboard.csv" else f" --leaderboard {file}"
        return f"bench leaderboard{own}   # {why}"
    data = "" if options.dataset == "digits" else data_for_terminal(options)
    few = f"--n {options.n}" if command == "audit" and (options.n or DEFAULT_N) < DEFAULT_N else ""
    words = ("bench", command, models_for_terminal(options), data, few, store)
    return f"{' '.join(filter(None, words))}   # {why}"


def _shown_names(options: Namespace) -> list[str]:
    """The models of a command, as tables show them."""
    chosen = iter(options.names or ())
    return [
        next(chosen, f"{Path(file).stem}:{factory}") if file.endswith(".py") else name
        for name in model_names(options)
        for file, _, factory in [name.rpartition(":")]
    ]


@contextlib.contextmanager
def drawing() -> Iterator[None]:
    """Says that figures are drawn, if that takes longer than a second."""
    timer = threading.Timer(DRAWING, say, ("drawing figures and page; this takes some seconds",))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
