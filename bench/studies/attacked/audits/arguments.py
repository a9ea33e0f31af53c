"""Options of ``bench audit``."""

from __future__ import annotations

import argparse

from bench.numbers.eps import NORMS
from bench.studies.shared.arguments import data_options, measuring_options, model_options, place_options


def add_options(sub: argparse.ArgumentParser) -> None:
    """Adds the options to a parser."""
    model_options(sub)
    data_options(sub)
    group = sub.add_argument_group("audit")
    group.add_argument(
        "--audit", default="quick", choices=("quick", "full"),
        help="quick (default): probes and PGD in huge balls; full: stronger, targeted and black-box attacks too",
    )  # fmt: skip
    group.add_argument("--norm", default="linf", choices=NORMS, help="norm of the ball: linf, l2 or l1")
    group.add_argument("--eps", metavar="GRID", help="radii as for bench run (default: the data set's)")
    measuring_options(sub, n="images (default 200)")
    place_options(sub, "store", "leaderboard", "reports")
