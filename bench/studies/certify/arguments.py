"""Options of ``bench certify``."""

from __future__ import annotations

import argparse

from bench.studies.shared.arguments import data_options, measuring_options, model_options, place_options
from bench.studies.shared.parsing import positive


def add_options(sub: argparse.ArgumentParser) -> None:
    """Adds the options to a parser."""
    model_options(sub)
    data_options(sub)
    group = sub.add_argument_group("certificate")
    group.add_argument(
        "--method",
        default="ibp",
        metavar="M",
        help="ibp (default): interval and Lipschitz bounds; or smoothing",
    )
    group.add_argument("--norm", metavar="NORM", help="l2 or linf (default: linf for ibp, l2 for smoothing)")
    group.add_argument("--eps", metavar="LIST", help="radii of the rows, e.g. 0.25,0.5 (default: by norm)")
    group.add_argument(
        "--sigma", type=float, metavar="S", help="standard deviation of smoothing's noise (default 0.25)"
    )
    group.add_argument(
        "--samples", type=positive, metavar="N", help="noisy images that vote on each image (default 10000)"
    )
    group.add_argument("--preset", metavar="P", help="cohen2019: 100000 samples, as published")
    group.add_argument(
        "--alpha",
        type=float,
        metavar="A",
        help="chance that a smoothing certificate is wrong (default 0.001)",
    )
    group.add_argument(
        "--orbit", action="store_true", help="smooth the three quarter turns of every image too"
    )
    measuring_options(sub, n="images (default: all, but at most 100)", batch="images of a cell (default 20)")
    place_options(sub, "store", "reports")
