"""Options of the command line that several commands share; loads nothing heavy."""

from __future__ import annotations

import argparse

from bench.commands.parsing import positive


def data_options(sub: argparse.ArgumentParser) -> None:
    """Which images."""
    group = sub.add_argument_group("data")
    group.add_argument(
        "--dataset", default="digits", metavar="NAME",
        help="digits (default, embedded), cifar10, cifar100, folder:PATH with train/ and test/ in it, "
        "npz:FILE with x_test and y_test in it, cifar10c[:CORRUPTION], or corrupted:NAME[:CORRUPTION], which "
        "corrupts another",
    )  # fmt: skip
    group.add_argument(
        "--name", metavar="NAME", help="name of a folder's or npz file's data set in rows and pages"
    )
    group.add_argument(
        "--data-root",
        metavar="PATH",
        help="where cifar10.npz, torchvision's CIFAR files and CIFAR-10-C lie (default: data/)",
    )
    group.add_argument(
        "--download", action="store_true", help="fetch a missing data set or a library's weights"
    )
    group.add_argument("--resize", type=int, metavar="N", help="resize a folder's images to N×N")
    group.add_argument(
        "--corruption-seed", type=int, default=0, metavar="S", help="random numbers of corrupted: (default 0)"
    )


def model_options(sub: argparse.ArgumentParser) -> None:
    """Which models, with which weights."""
    group = sub.add_argument_group("models")
    group.add_argument("--zoo", metavar="all|NAMES", help="models of the zoo, with commas between")
    group.add_argument(
        "--model", action="append", metavar="NAMES|FILE.py:FACTORY|LIBRARY:NAME",
        help="models of the zoo or installed ones, with commas between, one's own, or torchvision:, timm:, hf: and "
        "robustbench: models; may be repeated",
    )  # fmt: skip
    group.add_argument(
        "--as", dest="names", action="append", metavar="NAME",
        help="name in rows and pages of a model from a file; may be repeated, one for each in order",
    )  # fmt: skip
    group.add_argument("--weights", metavar="FILE", help=".safetensors or .pt file for one's own model")
    group.add_argument(
        "--weights-from", metavar="NAME|DIR", help="take the zoo's weights trained on another data set"
    )
    own = sub.add_argument_group(
        "one's own models", "done to images in [0, 1] before the model, in this order"
    )
    own.add_argument(
        "--input-size", type=positive, metavar="N", help="resized to N×N, if they are not that already"
    )
    own.add_argument(
        "--scale", type=float, default=1.0, metavar="S", help="times S: 255 for models of 8-bit values"
    )
    own.add_argument("--bgr", action="store_true", help="channels reversed")
    own.add_argument(
        "--mean", metavar="LIST", help="less a mean: a number, or one for each channel, with commas"
    )
    own.add_argument("--std", metavar="LIST", help="over a standard deviation, as --mean")
    own.add_argument(
        "--classes", metavar="LIST|FILE",
        help="number of the model's output for each class of the data (default: 0, 1, …), or names of all its outputs; "
        "with commas or one a line",
    )  # fmt: skip
    own.add_argument(
        "--output", metavar="KEY",
        help="name or place of the logits in a dictionary, tuple or object that the model gives (default: found)",
    )  # fmt: skip


def measuring_options(
    sub: argparse.ArgumentParser, n: str | None = "images (default: all, but at most 1000)"
) -> None:
    """How many images (the help of ``--n``; ``None`` for no such option), from which seed and on what."""
    group = sub.add_argument_group("measuring")
    if n is not None:
        group.add_argument("--n", type=positive, metavar="N", help=n)
    group.add_argument("--seed", type=int, default=0, metavar="S", help="seed of random starts (default 0)")
    group.add_argument("--device", default="cpu", metavar="D", help="cpu (default) or cuda")
    group.add_argument(
        "--workers", type=positive, metavar="N", help="processes (default: the cores); no number changes"
    )
    group.add_argument("--dry-run", action="store_true", help="show what would run and for how long")
    group.add_argument(
        "--json", action="store_true", help="rows as one JSON list on stdout, all else on stderr"
    )


def clever_options(sub: argparse.ArgumentParser) -> None:
    """Which estimate of which ball, from how many gradients."""
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


def tradeoff_options(sub: argparse.ArgumentParser) -> None:
    """Which models, rotations and attacks of the trade-off."""
    group = sub.add_argument_group("models")
    group.add_argument(
        "--models", action="append", metavar="NAMES|FILE.py:FACTORY",
        help="models with commas between, or one's own; may be repeated; default stands for baseline_cnn and "
        "equivariant_gcnn by eleven recipes each, which is what is measured without this option",
    )  # fmt: skip
    group.add_argument("--weights", metavar="FILE", help=".safetensors or .pt file for one's own model")
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
        "--front", default="autoattack", metavar="A",
        help="attack that the Pareto front is of besides PGD, at the largest ε: autoattack (default), or pgd for none",
    )  # fmt: skip
    group.add_argument(
        "--front-n", type=int, metavar="N", help="images of AutoAttack (default: all, but at most 100)"
    )


def place_options(sub: argparse.ArgumentParser, *names: str) -> None:
    """Where files go: those named of ``store``, ``leaderboard`` and ``reports``."""
    group = sub.add_argument_group("files")
    if "store" in names:
        group.add_argument("--store", default=".symbench", metavar="DIR", help="where cells are kept")
    if "leaderboard" in names:
        group.add_argument(
            "--leaderboard", default="leaderboard.csv", metavar="FILE", help="table to merge into"
        )
    if "reports" in names:
        group.add_argument("--reports", default="reports", metavar="DIR", help="where pages and figures go")


def store_options(sub: argparse.ArgumentParser) -> None:
    """What ``bench store`` can do with a store."""
    parts = sub.add_subparsers(dest="what", required=True, metavar="info|merge|prune|check")
    info = parts.add_parser("info", help="what a store holds, by data set and kind of cell")
    merge = parts.add_parser("merge", help="take in what other stores hold and this one lacks")
    merge.add_argument("others", nargs="+", metavar="DIR", help="the other stores; they stay as they are")
    prune = parts.add_parser(
        "prune", help="remove cells: those of a model, data set and attack, as far as named"
    )
    for name in ("model", "dataset", "attack"):
        prune.add_argument(f"--{name}", metavar="NAME", help=f"only this {name}, by its name in tables")
    prune.add_argument("--dry-run", action="store_true", help="count them only")
    check = parts.add_parser("check", help="read every record and name damage; exit code 1 if there is any")
    check.add_argument("--repair", action="store_true", help="write the file anew without what is damaged")
    for part in (info, merge, prune, check):
        part.add_argument("--json", action="store_true", help="as JSON on stdout")
        place_options(part, "store")
