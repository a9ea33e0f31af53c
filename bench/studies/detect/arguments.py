"""Options of ``bench detect``."""

from __future__ import annotations

import argparse

from bench.studies.shared.arguments import data_options, measuring_options, model_options, place_options


def add_options(sub: argparse.ArgumentParser) -> None:
    """Adds the options to a parser."""
    model_options(sub)
    data_options(sub)
    group = sub.add_argument_group("detection")
    group.add_argument(
        "--eps", metavar="LIST", help="radii in L∞ (default 0.05,0.1; photographs 2/255,8/255)"
    )
    group.add_argument("--steps", type=int, default=50, metavar="N", help="steps of an attack (default 50)")
    group.add_argument(
        "--calibration", type=int, metavar="N",
        help="images after the first n that the detector is made of (default: all that are left, at most 500)",
    )  # fmt: skip
    group.add_argument(
        "--false-positives", type=float, default=0.05, metavar="P",
        help="share of clean images that may be flagged (default 0.05)",
    )  # fmt: skip
    measuring_options(sub, n="images (default: at most 200, and half of all)", batch=None)
    place_options(sub, "store", "reports")
