"""The command line: arguments and exit codes. Heavy modules are imported inside the commands."""

from __future__ import annotations

import argparse
import atexit
import gc
import importlib
import sys
from collections.abc import Sequence

from bench.commands import help
from bench.engine.signals import Interrupted, stopping
from bench.engine.studies import find_study, plugin_names
from bench.studies import STUDIES
from bench.studies.shared.arguments import data_options, device_options, model_options, place_options
from bench.studies.shared.arguments import store_options as _store_options  # noqa: F401 (found by its name)
from bench.studies.shared.parsing import EXIT_USAGE, Parser, shortened
from bench.studies.shared.request_file import expanded
from zoo.errors import UserError

EXIT_OK, EXIT_FAILED = 0, 1

DESCRIPTION = """\
Measures the adversarial robustness of image classifiers: one protocol for all
models, every perturbation verified, an interval with every number, and nothing
measured twice."""

COMMANDS = {
    "init": "write a commented my_model.py and bench.toml to start from",
    **{name: summary for name, (_, summary) in STUDIES.items()},
    "compare": "test which of several measured models is better",
    "check": "measure a model's leaderboard rows again; fail if it has become less robust",
    "leaderboard": "print a leaderboard ranked, for the terminal or a paper",
    "train": "train models of the zoo, or one's own architectures",
    "list": "list measuring commands, models, attacks and data sets",
    "report": "draw the pages that have changed from the store; mark a leaderboard's rows",
    "figure": "draw a figure for a paper from the store, as PDF, SVG or PNG",
    "export": "write per-image results as CSV or parquet, attacked images as npz",
    "store": "show, join, clear or check stores of results",
    "doctor": "check this installation",
}


def parser(chosen: str = "") -> argparse.ArgumentParser:
    """All commands with their options; builds nothing heavy.

    A plug-in is loaded for its options only if its study is the ``chosen`` command.
    """
    overview = help.overview(COMMANDS, plugin_names())
    top = Parser(prog="bench", description=DESCRIPTION, epilog=overview, usage="bench COMMAND [options]")
    top.add_argument("--version", action="store_true", help="print the version and stop")
    commands = top.add_subparsers(dest="command", prog="bench", metavar="COMMAND", help=argparse.SUPPRESS)
    for name, summary in COMMANDS.items():
        usage = help.usage(name) if name in STUDIES else None  # there are too many to read at once
        about = f"{summary[0].upper()}{summary[1:]}."
        sub = commands.add_parser(name, description=about, epilog=help.example(name), usage=usage)
        if name in STUDIES:
            importlib.import_module(f"{STUDIES[name][0]}.arguments").add_options(sub)
        else:
            globals()[f"_{name}_options"](sub)
    for name in plugin_names():
        sub = commands.add_parser(name)
        if name == chosen:
            find_study(name).options(sub)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns:
        0 when all went well, 1 when cells failed, 2 for bad usage.
    """
    atexit.register(gc.freeze)  # else Python searches all imported objects for cycles when it ends: seconds
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        arguments = expanded(arguments, _run_options() if arguments[:1] == ["run"] else ())
        options = parser(arguments[0] if arguments else "").parse_args(arguments)
    except UserError as fault:
        return _refused(fault)
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
            command = (
                options.command
                if options.command in COMMANDS and options.command not in STUDIES
                else "measure"
            )
            return importlib.import_module(f"bench.commands.{command}").execute(options)
    except KeyboardInterrupt as stop:
        kept = "; what was measured is kept, and the same command continues"
        goes_on = options.command in STUDIES or options.command in ("train", "check")
        print(f"bench: interrupted{kept if goes_on else ''}", file=sys.stderr)
        return stop.exit_code if isinstance(stop, Interrupted) else 130
    except SystemExit as stop:  # a command that did not complete never exits with 0
        print(f"bench: error: code of a model or plug-in called sys.exit({stop.code!r})", file=sys.stderr)
        return EXIT_USAGE
    except BrokenPipeError:
        sys.stderr.close()
        return EXIT_OK
    except UserError as fault:
        return _refused(fault)


def _refused(fault: UserError) -> int:
    print(f"bench: error: {shortened(' '.join(str(fault).split()))}", file=sys.stderr)
    return EXIT_USAGE


def _run_options() -> list[str]:
    """Names of the options of ``bench run``, without dashes."""
    sub = Parser()
    importlib.import_module(f"{STUDIES['run'][0]}.arguments").add_options(sub)
    return [
        text.removeprefix("--") for action in sub._actions for text in action.option_strings if text != "-h"
    ]


def _init_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("folder", nargs="?", default=".", metavar="FOLDER", help="where (default: here)")


def _compare_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("models", nargs="+", metavar="MODEL", help="two names or more, as tables show them")
    sub.add_argument("--dataset", metavar="NAME", help="only settings on this data set")
    sub.add_argument(
        "--attack", default="worst", metavar="NAME",
        help="an attack, or worst (default): all attacks that these models have in common, image by image",
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
    device_options(group)
    group.add_argument(
        "--json", action="store_true", help="every row with its status as one JSON list on stdout"
    )
    place_options(sub, "store")
    sub.set_defaults(n=None, batch=None, seed=0)  # each row says its own


def _leaderboard_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--dataset", metavar="NAME", help="only this data set")
    sub.add_argument(
        "--attack", metavar="NAME", help="only this attack (default: the lowest of all of a ball)"
    )
    sub.add_argument("--eps", metavar="GRID", help="these ε as columns (default: those of most models)")
    sub.add_argument(
        "--protocol", default="sound", metavar="P", help="only rows of this protocol, or all (default sound)"
    )
    sub.add_argument(
        "--sort", default="robust", choices=("robust", "clean", "model"),
        help="by mean robust accuracy (default), clean accuracy, or name",
    )  # fmt: skip
    forms = sub.add_mutually_exclusive_group()
    for form, what in (("markdown", "as a Markdown table"), ("latex", "as a LaTeX tabular, with booktabs")):
        forms.add_argument(f"--{form}", dest="form", action="store_const", const=form, help=what)
    forms.add_argument(
        "--json", action="store_true", help="the rows, ranked by attack and ε, as one JSON list"
    )
    sub.set_defaults(form="terminal")
    place_options(sub, "leaderboard")


def _train_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "models",
        metavar="all|NAMES|FILE.py:FACTORY",
        help="with commas between: e.g. baseline_cnn,equivariant_gcnn.pgd_at@1, or architectures of one's own",
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
    sub.add_argument(
        "what", nargs="?", choices=("commands", "models", "attacks", "datasets"), help="only these"
    )
    sub.add_argument("pattern", nargs="?", metavar="PATTERN", help="only names like 'torchvision:res*'")
    sub.add_argument(
        "--cost", action="store_true",
        help="multiply-adds, memory and time of the zoo's models, for the logits of one image and their gradient",
    )  # fmt: skip
    sub.add_argument("--json", action="store_true", help="as JSON on stdout")


def _report_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--dataset", metavar="NAME", help="only the page of this data set")
    place_options(sub, "store", "leaderboard", "reports")


def _figure_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--kind", required=True, choices=("curves", "scatter", "sandwich", "tradeoff"),
        help="curves: accuracy against ε; scatter: clean against robust; sandwich: CLEVER against an attack; "
        "tradeoff: rotations against perturbations",
    )  # fmt: skip
    sub.add_argument("--out", required=True, metavar="FILE", help="file to write: .pdf, .svg or .png")
    sub.add_argument(
        "--model", dest="models", default="all", metavar="NAMES", help="with commas between (default: all)"
    )
    sub.add_argument("--models", default="all", help=argparse.SUPPRESS)
    sub.add_argument("--dataset", metavar="NAME", help="data set (default: that of the newest run)")
    sub.add_argument("--attack", metavar="NAME", help="of curves (default: the worst case over all)")
    place_options(sub, "store")


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
