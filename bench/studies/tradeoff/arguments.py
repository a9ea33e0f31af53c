"""Options of ``bench tradeoff``."""

from __future__ import annotations

import argparse

from bench.studies.shared.arguments import data_options, measuring_options, place_options


def add_options(sub: argparse.ArgumentParser) -> None:
    """Adds the options to a parser."""
    tradeoff_options(sub)
    data_options(sub)
    measuring_options(sub)
    place_options(sub, "store", "reports")


def tradeoff_options(sub: argparse.ArgumentParser) -> None:
    """Which models, rotations and attacks of the trade-off."""
    group = sub.add_argument_group("models")
    group.add_argument(
        "--model", dest="models", action="append", metavar="NAMES|FILE.py:FACTORY",
        help="models with commas between, or one's own; may be repeated; default stands for baseline_cnn and "
        "equivariant_gcnn by eleven recipes each, which is what is measured without this option",
    )  # fmt: skip
    group.add_argument("--models", action="append", help=argparse.SUPPRESS)
    group.add_argument(
        "--weights", metavar="FILE", help="checkpoint of one's own model, as its training saved it"
    )
    group.add_argument(
        "--weights-from", metavar="NAME|DIR", help="take the zoo's weights trained on another data set"
    )
    group.add_argument(
        "--seeds", type=int, default=3, metavar="K",
        help="training runs NAME, NAME@1, … of each model, where their weights are found (default 3)",
    )  # fmt: skip
    group = sub.add_argument_group("rotations and attacks")
    group.add_argument(
        "--rotate", default="30,60,90,120,150,180", metavar="LIST",
        help="largest random angles in degrees; 30 and 180 are always among them (default 30,60,90,120,150,180)",
    )  # fmt: skip
    group.add_argument("--draws", type=int, default=10, metavar="N", help="draws an image (default 10)")
    group.add_argument(
        "--interpolation", default="bilinear", metavar="I", help="bilinear (default) or nearest"
    )
    group.add_argument(
        "--fill", default="black", metavar="F", help="beyond the border: black (default) or edge"
    )
    group.add_argument("--eps", metavar="GRID", help="L∞ radii of PGD (default: the data set's)")
    group.add_argument("--steps", type=int, metavar="N", help="of PGD and AutoAttack (default 20 and 10)")
    group.add_argument(
        "--front", default="autoattack10", metavar="A",
        help="attack that the Pareto front is of besides PGD, at the largest ε: autoattack10 (default), autoattack, "
        "or pgd for none",
    )  # fmt: skip
    group.add_argument(
        "--front-n", type=int, metavar="N", help="images of AutoAttack (default: all, but at most 100)"
    )
