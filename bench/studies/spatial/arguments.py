"""Options of ``bench spatial``."""

from __future__ import annotations

import argparse

from bench.studies.shared.arguments import data_options, measuring_options, model_options, place_options


def add_options(sub: argparse.ArgumentParser) -> None:
    """Adds the options to a parser."""
    model_options(sub)
    data_options(sub)
    spatial_options(sub)
    measuring_options(sub)
    place_options(sub, "store", "leaderboard", "reports")


def spatial_options(sub: argparse.ArgumentParser) -> None:
    """Which rotations and translations."""
    group = sub.add_argument_group("rotations and translations")
    group.add_argument(
        "--rotate", default="30,60,90,120,150,180", metavar="LIST",
        help="largest random angles in degrees, or none (default 30,60,90,120,150,180)",
    )  # fmt: skip
    group.add_argument(
        "--translate", default="0.1", metavar="LIST",
        help="largest random shifts along each axis as shares of the side, or none (default 0.1)",
    )  # fmt: skip
    group.add_argument("--draws", type=int, default=10, metavar="N", help="draws an image (default 10)")
    group.add_argument(
        "--grid", default="31x5", metavar="AxB",
        help="worst of A angles to ±30° and B × B shifts to ±0.1, or none (default 31x5)",
    )  # fmt: skip
    group.add_argument(
        "--turns", type=int, default=24, metavar="N",
        help="fixed angles 0, 360/N, …, the same for all images; 0 for none (default 24)",
    )  # fmt: skip
    group.add_argument(
        "--interpolation", default="bilinear", metavar="I", help="bilinear (default) or nearest"
    )
    group.add_argument(
        "--fill",
        default="black",
        metavar="F",
        help="beyond the border: black (default) or edge, its nearest pixel",
    )
