"""Options of ``bench clever``."""

from __future__ import annotations

import argparse

from bench.studies.shared.arguments import data_options, measuring_options, model_options, place_options


def add_options(sub: argparse.ArgumentParser) -> None:
    """Adds the options to a parser."""
    model_options(sub)
    data_options(sub)
    clever_options(sub)
    measuring_options(sub, n="images (default 20)", batch="images of a cell (default 10)")
    place_options(sub, "store", "leaderboard", "reports")


def clever_options(sub: argparse.ArgumentParser) -> None:
    """Options of the estimate: engine, ball and number of gradients."""
    group = sub.add_argument_group("CLEVER")
    group.add_argument("--engine", default="evt", metavar="E", help="evt (default), batched or art")
    group.add_argument("--norm", default="l2", metavar="NORM", help="l2 (default), linf or l1")
    group.add_argument(
        "--radius", type=float, metavar="R", help="of the ball, in pixel units (default: by norm)"
    )
    group.add_argument(
        "--preset",
        default="quick",
        metavar="P",
        help="quick (50 × 100; evt 50 × 20) or weng2018 (500 × 1024)",
    )
    group.add_argument("--batches", type=int, metavar="N", help="maxima the distribution is fitted to")
    group.add_argument("--samples", type=int, metavar="N", help="gradients each maximum is taken over")
    group.add_argument("--pool-factor", type=int, metavar="N", help="pool size / samples (default 10)")
    group.add_argument(
        "--targets", default="all", metavar="all|top-K", help="classes looked at (default all)"
    )
