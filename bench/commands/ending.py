"""The last lines of a command: the path of its page, and the next useful command."""

from __future__ import annotations

import contextlib
import threading
from argparse import Namespace
from collections.abc import Iterator

from bench.studies.shared.options import data_for_terminal, models_for_terminal
from bench.studies.shared.screen import say

DRAWING = 1.0  # seconds after which a line says that figures are drawn
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
    """The next useful command after a study, with the models and the data of this one; empty for a plug-in's."""
    if study == "run" and options.audit:
        study = "audit"  # it is done
    if study not in NEXT:
        return ""
    command, why = NEXT[study]
    if command == "leaderboard":
        file = getattr(options, "leaderboard", "leaderboard.csv")  # studies without rows have no such option
        own = "" if file == "leaderboard.csv" else f" --leaderboard {file}"
        return f"bench leaderboard{own}   # {why}"
    data = "" if options.dataset == "digits" else data_for_terminal(options)
    return f"{' '.join(filter(None, ('bench', command, models_for_terminal(options), data)))}   # {why}"


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
