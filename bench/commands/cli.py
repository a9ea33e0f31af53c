"""The command line: arguments and exit codes. Whatever is heavy is imported inside the commands."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from bench.commands.arguments import (
    clever_options,
    data_options,
    measuring_options,
    model_options,
    place_options,
    spatial_options,
    tradeoff_options,
)
from bench.commands.arguments import store_options as _store_options  # noqa: F401 (found by its name)
from bench.commands.parsing import EXIT_USAGE, Parser, positive, shortened
from bench.engine.signals import Interrupted, stopping
from zoo.errors import UserError

EXIT_OK, EXIT_FAILED = 0, 1

DESCRIPTION = """\
Measures the adversarial robustness of image classifiers: one protocol for all models, every perturbation
verified, an interval with every number, and nothing measured twice."""

COMMANDS = {
    "run": "measure models under attacks; write leaderboard, figures and report",
    "audit": "check whether a model's numbers may be believed",
    "clever": "estimate how far images are from the decision boundary (CLEVER)",
    "theory": "measure what the paper's theory says of a model",
    "mip": "measure how many random pixel values can be removed (maximum invariant perturbation)",
    "spatial": "measure accuracy under rotations and translations",
    "tradeoff": "measure what robustness to rotations costs in adversarial robustness, and the other way round",
    "reproduce": "measure a published paper's tables, figures and claims, and show both side by side",
    "compare": "say which of several measured models is better",
    "check": "measure a leaderboard's rows of a model again; fail if it has become less robust",
    "train": "train models of the zoo",
    "list": "show models, attacks and data sets",
    "report": "draw the pages again from the store; mark a leaderboard's rows",
    "export": "write per-image results as CSV or parquet, attacked images as npz",
    "store": "show, join, clear or check stores of results",
    "doctor": "check this installation",
}


def parser() -> argparse.ArgumentParser:
    """All commands with their options; builds nothing heavy."""
    top = Parser(prog="bench", description=DESCRIPTION)
    top.add_argument("--version", action="store_true", help="print the version and stop")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    for name, summary in COMMANDS.items():
        sub = commands.add_parser(name, help=summary, description=summary.capitalize() + ".")
        globals()[f"_{name}_options"](sub)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns:
        0 when all went well, 1 when cells failed, 2 for bad usage.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = parser().parse_args(arguments)
    if options.version:
        from importlib.metadata import version

        print(f"symbench {version('symbench')}")
        return EXIT_OK
    if options.command is None:
        parser().print_help()
        return EXIT_OK
    options.argv = arguments
    try:
        with stopping():
            return importlib.import_module(f"bench.commands.{options.command}").execute(options)
    except KeyboardInterrupt as stop:
        print("bench: interrupted; what was measured is kept, the same command goes on", file=sys.stderr)
        return stop.exit_code if isinstance(stop, Interrupted) else 130
    except SystemExit as stop:  # a command that did not come to its end never exits with 0
        print(f"bench: error: code of a model or plug-in called sys.exit({stop.code!r})", file=sys.stderr)
        return EXIT_USAGE
    except BrokenPipeError:
        sys.stderr.close()
        return EXIT_OK
    except UserError as fault:
        print(f"bench: error: {shortened(' '.join(str(fault).split()))}", file=sys.stderr)
        return EXIT_USAGE


def _attack_options(sub: argparse.ArgumentParser) -> None:
    group = sub.add_argument_group("attacks")
    group.add_argument(
        "--attacks", default="fgsm,pgd", metavar="NAMES",
        help="e.g. fgsm,pgd (default), foolbox:pgd, or a set: standard, strong, autoattack; see bench list attacks",
    )  # fmt: skip
    group.add_argument("--library", metavar="NAME", help="torchattacks, foolbox or symbench, if it has them")
    group.add_argument("--norm", default="linf", choices=("linf", "l2"), help="norm of the ball")
    group.add_argument(
        "--eps", metavar="GRID",
        help="radii in pixel units, images in [0, 1]: e.g. 2/255,8/255, or 'paper' for 0.01 … 0.15",
    )  # fmt: skip
    group.add_argument("--steps", type=int, metavar="N", help="gradient steps (default: the attack's own)")
    group.add_argument("--alpha", type=float, metavar="A", help="absolute step size (default 2.5·ε/steps)")
    group.add_argument("--restarts", type=int, metavar="N", help="random starts (default 1)")
    group.add_argument("--targets", type=int, metavar="N", help="classes pgd_t aims at (default 9)")
    group.add_argument("--queries", type=int, metavar="N", help="passes of black-box attacks")
    group.add_argument("--eot", type=int, metavar="N", help="passes eot_pgd averages over (default 10)")
    group.add_argument("--rotation", type=float, metavar="D", help="degrees, spatial attacks (default 30)")
    group.add_argument("--translation", type=float, metavar="T", help="share of the side (default 0.1)")
    group.add_argument("--no-random-start", action="store_true", help="start PGD from the image itself")
    group.add_argument(
        "--best-iterate", action="store_true",
        help="an image is broken if any verified iterate broke it, not only the last one",
    )  # fmt: skip
    group.add_argument(
        "--independent", action="store_true", help="attack every clean-right image anew at every ε"
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
        help="rows worst(…) join all attacks that the store holds of the ball (default), or this run's alone",
    )  # fmt: skip
    group.add_argument(
        "--audit", choices=("quick", "full"),
        help="then audit, on the first 200 images at most: may the numbers be believed?",
    )  # fmt: skip


def _run_options(sub: argparse.ArgumentParser) -> None:
    model_options(sub)
    data_options(sub)
    _attack_options(sub)
    sub.add_argument(
        "--mce-baseline", default="", metavar="MODEL",
        help="model of this run that corruption errors are divided by (default: baseline_cnn, of any width)",
    )  # fmt: skip
    measuring_options(sub)
    place_options(sub, "store", "leaderboard", "reports")


def _audit_options(sub: argparse.ArgumentParser) -> None:
    model_options(sub)
    data_options(sub)
    group = sub.add_argument_group("audit")
    group.add_argument(
        "--audit", default="quick", choices=("quick", "full"),
        help="quick (default): probes and PGD in huge balls; full: stronger, targeted and black-box attacks too",
    )  # fmt: skip
    group.add_argument("--norm", default="linf", choices=("linf", "l2"), help="norm of the ball")
    group.add_argument("--eps", metavar="GRID", help="radii as for bench run (default: the data set's)")
    measuring_options(sub, n="images (default 200)")
    place_options(sub, "store", "leaderboard", "reports")


def _clever_options(sub: argparse.ArgumentParser) -> None:
    model_options(sub)
    data_options(sub)
    clever_options(sub)
    measuring_options(sub, n="images (default 20)")
    place_options(sub, "store", "leaderboard", "reports")


def _theory_options(sub: argparse.ArgumentParser) -> None:
    model_options(sub)
    data_options(sub)
    measuring_options(sub, n="images (default 50)")
    place_options(sub, "store", "reports")


def _mip_options(sub: argparse.ArgumentParser) -> None:
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
    measuring_options(sub, n="images (default: all, but at most 200)")
    place_options(sub, "store", "reports")


def _spatial_options(sub: argparse.ArgumentParser) -> None:
    model_options(sub)
    data_options(sub)
    spatial_options(sub)
    measuring_options(sub)
    place_options(sub, "store", "leaderboard", "reports")


def _tradeoff_options(sub: argparse.ArgumentParser) -> None:
    tradeoff_options(sub)
    data_options(sub)
    measuring_options(sub)
    place_options(sub, "store", "reports")


def _reproduce_options(sub: argparse.ArgumentParser) -> None:
    what = sub.add_argument_group("what").add_mutually_exclusive_group(required=True)
    what.add_argument("--table", type=int, choices=(1, 2, 3, 4), help="one table")
    what.add_argument("--figure", type=int, choices=(1, 2, 5, 6), help="one figure")
    what.add_argument("--all", action="store_true", help="all of these, and the numbers in the text")
    sub.add_argument(
        "--budget", default="small", choices=("small", "full"),
        help="small (default): parts of the images, for two cores and an hour; full: the paper's size",
    )  # fmt: skip
    data_options(sub)
    sub.add_argument(
        "--weights-from", metavar="NAME|DIR", help="take the zoo's weights trained on another data set"
    )
    measuring_options(sub, n=None)
    place_options(sub, "store", "leaderboard", "reports")


def _compare_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("models", nargs="+", metavar="MODEL", help="two names or more, as tables show them")
    sub.add_argument("--dataset", metavar="NAME", help="only settings on this data set")
    sub.add_argument(
        "--attack", default="worst", metavar="NAME",
        help="an attack, or worst (default): all that these models were measured under, image by image",
    )  # fmt: skip
    sub.add_argument("--eps", metavar="GRID", help="only these ε (default: all measured)")
    sub.add_argument("--json", action="store_true", help="pairs as one JSON list on stdout")
    place_options(sub, "store")


def _check_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--against", required=True, metavar="FILE", help="leaderboard with the reference rows")
    sub.add_argument("--generation", metavar="SHA", help="compare with these weights (default: the newest)")
    sub.add_argument(
        "--tolerance", type=float, default=0.0, metavar="T",
        help="accuracy that may be lost, as a fraction: 0.01 is one point (default 0)",
    )  # fmt: skip
    model_options(sub)
    data_options(sub)
    group = sub.add_argument_group("measuring")
    group.add_argument("--device", default="cpu", metavar="D", help="cpu (default) or cuda")
    group.add_argument(
        "--workers", type=positive, metavar="N", help="processes (default: the cores); no number changes"
    )
    group.add_argument(
        "--json", action="store_true", help="every row with its status as one JSON list on stdout"
    )
    place_options(sub, "store")
    sub.set_defaults(n=None, seed=0)  # each row says its own


def _train_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "models", metavar="all|NAMES", help="with commas between: e.g. baseline_cnn,equivariant_gcnn.pgd_at@1"
    )
    data_options(sub)
    group = sub.add_argument_group("training")
    group.add_argument(
        "--recipe",
        metavar="R",
        help="e.g. pgd_at, rotate180+pgd_at or cusp; see docs/recipes.md (default: the name's own)",
    )
    group.add_argument(
        "--held-out", type=float, metavar="SHARE",
        help="training images kept apart to find the best epoch (default: the recipe's; 0 for none)",
    )  # fmt: skip
    group.add_argument("--epochs", type=int, metavar="N", help="passes over the data (default: the recipe's)")
    group.add_argument(
        "--precision", choices=("float32", "bfloat16"), help="arithmetic of training (default: the recipe's)"
    )
    group.add_argument("--width", default="1", metavar="W", help="scale of all widths, or 'released'")
    group.add_argument("--seed", type=int, metavar="S", help="seed (default: the name's own, else 0)")
    group.add_argument("--seeds", metavar="LIST", help="train each NAME@SEED: e.g. 0..4 or 0,2,5")
    group.add_argument(
        "--threads", type=int, default=None, metavar="T", help="CPU threads (default: the cores)"
    )
    group.add_argument("--device", default="cpu", metavar="D", help="cpu (default) or cuda")
    group.add_argument("--out", default="weights", metavar="DIR", help="where weights go (default: weights/)")


def _list_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("what", nargs="?", choices=("models", "attacks", "datasets"), help="only these")
    sub.add_argument("pattern", nargs="?", metavar="PATTERN", help="only names like 'torchvision:res*'")
    sub.add_argument("--json", action="store_true", help="as JSON on stdout")


def _report_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--dataset", metavar="NAME", help="only the page of this data set")
    place_options(sub, "store", "leaderboard", "reports")


def _export_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("out", metavar="OUT", help="file to write: .csv or .parquet (rows), or .npz (images)")
    sub.add_argument("--dataset", metavar="NAME", help="only this data set")
    sub.add_argument("--model", metavar="NAME", help="only this model")
    sub.add_argument("--attack", metavar="NAME", help="only this attack")
    place_options(sub, "store")


def _doctor_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--like",
        metavar="FILE",
        help="compare with the versions that the rows of a leaderboard were measured with",
    )
    sub.add_argument("--json", action="store_true", help="as JSON on stdout")


if __name__ == "__main__":
    sys.exit(main())
