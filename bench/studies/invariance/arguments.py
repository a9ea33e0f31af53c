"""Options of ``bench invariance``."""

from __future__ import annotations

import argparse

from bench.studies.shared.arguments import data_options, measuring_options, model_options, place_options


def add_options(sub: argparse.ArgumentParser) -> None:
    """Adds the options to a parser."""
    model_options(sub)
    data_options(sub)
    group = sub.add_argument_group("invariance")
    group.add_argument(
        "--eps", metavar="LIST", help="radii in L∞ (default 0.1,0.2,0.3,0.4; photographs 8/255,16/255,32/255)"
    )
    group.add_argument(
        "--candidates", type=int, default=10, metavar="N",
        help="training images of other classes that each image is moved towards (default 10)",
    )  # fmt: skip
    measuring_options(sub, n="images (default: at most 200)", batch="images of a cell (default 100)")
    place_options(sub, "store", "reports")
