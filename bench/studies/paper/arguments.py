"""Options of ``bench reproduce``."""

from __future__ import annotations

import argparse

from bench.studies.shared.arguments import data_options, measuring_options, place_options


def add_options(sub: argparse.ArgumentParser) -> None:
    """Adds the options to a parser."""
    what = sub.add_argument_group("what").add_mutually_exclusive_group(required=True)
    what.add_argument("--table", type=int, choices=(1, 2, 3, 4), help="one table")
    what.add_argument("--figure", type=int, choices=(1, 2, 5, 6), help="one figure")
    what.add_argument("--all", action="store_true", help="all of these, and the numbers in the text")
    sub.add_argument(
        "--budget", default="small", choices=("small", "full"),
        help="small (default): parts of the images, for two cores and an hour; full: the paper's size",
    )  # fmt: skip
    data_options(sub)
    sub.add_argument(
        "--weights-from", metavar="NAME|DIR", help="take the zoo's weights trained on another data set"
    )
    measuring_options(sub, n=None)
    place_options(sub, "store", "leaderboard", "reports")
