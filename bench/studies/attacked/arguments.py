"""Options of ``bench run``."""

from __future__ import annotations

import argparse

from bench.numbers.eps import NORMS
from bench.studies.shared.arguments import data_options, measuring_options, model_options, place_options


def add_options(sub: argparse.ArgumentParser) -> None:
    """Adds the options to a parser."""
    model_options(sub)
    data_options(sub)
    attack_options(sub)
    sub.add_argument(
        "--mce-baseline", default="", metavar="MODEL",
        help="model of this run whose corruption errors divide the others' (default: baseline_cnn, of any width)",
    )  # fmt: skip
    measuring_options(sub)
    place_options(sub, "store", "leaderboard", "reports")


def attack_options(sub: argparse.ArgumentParser) -> None:
    """Which attacks, in which balls."""
    group = sub.add_argument_group("attacks")
    group.add_argument(
        "--attacks", default="fgsm,pgd", metavar="NAMES",
        help="e.g. fgsm,pgd (default), foolbox:pgd, one's own FILE.py:FUNCTION, or a set: standard, strong; see bench "
        "list attacks",
    )  # fmt: skip
    group.add_argument(
        "--library", metavar="NAME", help="of attacks named without one: torchattacks, foolbox or symbench"
    )
    group.add_argument(
        "--norm", default="linf", choices=NORMS, help="norm of the ball (default linf); l0 counts pixels"
    )
    group.add_argument(
        "--eps", metavar="GRID",
        help="radii in pixel units, images in [0, 1]: e.g. 2/255,8/255, or 'paper' for 0.01 … 0.15; pixels in norm l0",
    )  # fmt: skip
    group.add_argument("--steps", type=int, metavar="N", help="gradient steps (default: the attack's own)")
    group.add_argument(
        "--budget", type=int, metavar="N",
        help="forward and backward passes per image that each attack may take: it gets as many steps or queries as "
        "fit, and the page shows accuracy against passes",
    )  # fmt: skip
    group.add_argument(
        "--independent",
        action="store_true",
        help="attack all correctly classified images at every ε, also those that a smaller ε broke",
    )
    group.add_argument(
        "--protocol", default="sound", metavar="P",
        help="sound (default), released:SCRIPT (as a published script evaluates), or released (each its own)",
    )  # fmt: skip
    group.add_argument(
        "--seeds", type=int, metavar="K", help="repeat with K seeds, from --seed on (default 1)"
    )
    group.add_argument(
        "--worst-of", default="store", choices=("store", "run"),
        help="rows worst(…) combine all stored attacks in the same ball (default), or only those of this run",
    )  # fmt: skip
    group.add_argument(
        "--audit", choices=("quick", "full"),
        help="afterwards audit, on at most the first 200 images, whether the numbers can be believed",
    )  # fmt: skip
    one = sub.add_argument_group(
        "options of single attacks", "an attack uses those that it has; bench list attacks shows them"
    )
    one.add_argument(
        "--alpha",
        type=float,
        metavar="A",
        help="pgd and similar attacks: absolute step size (default 2.5·ε/steps)",
    )
    one.add_argument(
        "--restarts", type=int, metavar="N", help="attacks that start at random: how often (default 1)"
    )
    one.add_argument(
        "--targets", type=int, metavar="N", help="targeted attacks: classes to aim at (default 9)"
    )
    one.add_argument(
        "--target", metavar="CLASS",
        help="class that attacks aim at: its name, its number from 0, random, or least-likely; an image is broken when "
        "the model predicts that class",
    )  # fmt: skip
    one.add_argument(
        "--surrogate", metavar="NAMES|FILE.py:FACTORY",
        help="attacks that transfer: models whose gradients they follow, of the zoo, one's own or a "
        "library's; several, with commas between, form an ensemble",
    )  # fmt: skip
    one.add_argument("--queries", type=int, metavar="N", help="black boxes: passes of the model")
    one.add_argument("--eot", type=int, metavar="N", help="eot_pgd: passes it averages over (default 10)")
    one.add_argument(
        "--rotation", type=float, metavar="D", help="spatial_grid, spatial_random: degrees (default 30)"
    )
    one.add_argument(
        "--translation",
        type=float,
        metavar="T",
        help="spatial_grid, spatial_random: share of the side (default 0.1)",
    )
    one.add_argument(
        "--no-random-start", action="store_true", help="pgd and similar attacks: start from the image itself"
    )
    one.add_argument(
        "--best-iterate", action="store_true",
        help="pgd and similar attacks: an image is broken if any verified iterate breaks it, not only the last one",
    )  # fmt: skip
