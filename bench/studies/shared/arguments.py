"""Options of the command line that several commands share; loads nothing heavy."""

from __future__ import annotations

import argparse

from bench.studies.shared.parsing import positive


def data_options(sub: argparse.ArgumentParser) -> None:
    """Which images."""
    group = sub.add_argument_group("data")
    group.add_argument(
        "--dataset", default="digits", metavar="NAME",
        help="digits (default, embedded), cifar10, cifar100, torchvision:NAME as MNIST, imagenet:DIR with a folder "
        "for each WordNet number, folder:PATH with test/ or val/ in it, npz:FILE with x_test and y_test in it, "
        "hf:NAME[:SPLIT] of the Hugging Face hub, cifar10c[:CORRUPTION], or corrupted:NAME[:CORRUPTION], which "
        "corrupts another",
    )  # fmt: skip
    group.add_argument("--name", metavar="NAME", help="name in rows and pages of a data set of one's own")
    group.add_argument(
        "--data-root",
        metavar="PATH",
        help="where cifar10.npz, torchvision's files and CIFAR-10-C lie (default: data/)",
    )
    group.add_argument(
        "--download", action="store_true", help="fetch a missing data set or a library's weights"
    )
    group.add_argument("--resize", type=int, metavar="N", help="resize pictures to N×N")
    group.add_argument(
        "--corruption-seed", type=int, default=0, metavar="S", help="random numbers of corrupted: (default 0)"
    )


def model_options(sub: argparse.ArgumentParser) -> None:
    """Which models, with which weights."""
    group = sub.add_argument_group("models")
    group.add_argument(
        "--model", action="append", metavar="all|NAMES|FILE.py:FACTORY|LIBRARY:NAME",
        help="all of the zoo, models of the zoo or installed ones, with commas between, one's own, or torchvision:, "
        "timm:, hf: and robustbench: models; may be repeated; --zoo is the same",
    )  # fmt: skip
    group.add_argument("--models", "--zoo", dest="model", action="append", help=argparse.SUPPRESS)
    group.add_argument(
        "--as", dest="names", action="append", metavar="NAME",
        help="name in rows and pages of a model from a file; may be repeated, one for each in order",
    )  # fmt: skip
    group.add_argument(
        "--weights", metavar="FILE", help="checkpoint of one's own model, as its training saved it"
    )
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
    sub: argparse.ArgumentParser,
    n: str | None = "images (default: all, but at most 1000)",
    batch: str
    | None = "images that go through a model together, which a row says: other batches give other bits "
    "and random starts (default: 100; on a GPU as many as its memory has room for, at most 4096)",
) -> None:
    """How many images, how many together, from which seed and on what.

    Args:
        sub: parser of the command.
        n, batch: help of these options; ``None`` where there is no such option.
    """
    group = sub.add_argument_group("measuring")
    if n is not None:
        group.add_argument("--n", type=positive, metavar="N", help=n)
    if batch is not None:
        group.add_argument("--batch", type=positive, metavar="N", help=batch)
    else:
        sub.set_defaults(batch=None)
    group.add_argument("--seed", type=int, default=0, metavar="S", help="seed of random starts (default 0)")
    device_options(group)
    group.add_argument("--dry-run", action="store_true", help="show what would run and for how long")
    group.add_argument(
        "--json", action="store_true", help="rows as one JSON list on stdout, all else on stderr"
    )


def device_options(group: argparse._ArgumentGroup) -> None:
    """On what is measured."""
    group.add_argument(
        "--device", default="cpu", metavar="D",
        help="cpu (default), cuda, several GPUs as cuda:0,cuda:1, or cuda:all",
    )  # fmt: skip
    group.add_argument(
        "--workers", type=positive, metavar="N", help="processes (default: the cores); no number changes"
    )
    group.add_argument(
        "--cluster", metavar="auto|HOST:PORT|local:N",
        help="measure on a Ray cluster, all its CPUs or with --device cuda its GPUs; local:N starts one here",
    )  # fmt: skip


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
