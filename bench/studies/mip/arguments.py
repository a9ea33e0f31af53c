"""Options of ``bench mip``."""

from __future__ import annotations

import argparse

from bench.studies.shared.arguments import data_options, measuring_options, model_options, place_options


def add_options(sub: argparse.ArgumentParser) -> None:
    """Adds the options to a parser."""
    model_options(sub)
    data_options(sub)
    group = sub.add_argument_group("removal")
    group.add_argument("--draws", type=int, default=10, metavar="N", help="orders an image (default 10)")
    group.add_argument(
        "--grid", type=int, default=100, metavar="N", help="rates 1/N, 2/N … 1 are tried (default 100)"
    )
    group.add_argument(
        "--fill", default="black", metavar="F", help="removed values become black (0, default) or grey (0.5)"
    )
    measuring_options(sub, n="images (default: all, but at most 200)", batch="images of a cell (default 20)")
    place_options(sub, "store", "reports")
