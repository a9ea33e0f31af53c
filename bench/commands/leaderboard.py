"""``bench leaderboard``: the leaderboard as a ranked table, on the terminal or to paste into a paper."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from bench.errors import UsageError, nearest
from bench.leaderboard import file as leaderboard
from bench.leaderboard.attack_text import attack_text
from bench.leaderboard.boards import BOARDS, shortened
from bench.leaderboard.columns import Row
from bench.leaderboard.grids import Grid, GridLine, grids
from bench.leaderboard.marks import BELIEVABLE, NOT_BELIEVABLE, UPPER_BOUND
from bench.numbers.eps import eps_texts, parse_eps
from bench.numbers.stats import Share
from bench.pages.format import norm_text
from bench.studies.shared.options import names
from bench.studies.shared.screen import percent, say
from bench.studies.shared.terminal import Name, print_table

SIGNS = {NOT_BELIEVABLE: "✗", UPPER_BOUND: "≤", BELIEVABLE: "✓", "": "·"}
LEGEND = "✓ believable, ≤ upper bound, ✗ not believable, · not audited"
_LATEX = str.maketrans({c: f"\\{c}" for c in "_%&#${}"})


def execute(options: Namespace) -> int:
    """Prints the models of a leaderboard, best first."""
    path = Path(options.leaderboard)
    if not path.is_file():
        raise UsageError(
            f"there is no leaderboard at {path}; give --leaderboard FILE, or make one: bench run --model all"
        )
    rows = _chosen(leaderboard.read(path), options)
    if options.json:
        boards = shortened(rows)
        print(json.dumps([row for board in BOARDS for row in boards[board.name]], allow_nan=False))
        return 0
    eps = None if options.eps is None else parse_eps(names(options.eps))
    found = grids(rows, eps=eps, sort=options.sort)
    if not found:
        raise UsageError(
            f"no row of {path} is of an attack at {'any ε' if eps is None else f'ε {options.eps}'}"
        )
    for grid in found:
        {"markdown": _markdown, "latex": _latex, "terminal": _terminal}[options.form](grid)
    if options.form == "terminal":
        say(
            "next: bench leaderboard --markdown, or --latex for a paper; bench compare A B for a test of two models"
        )
    return 0


def _chosen(rows: list[Row], options: Namespace) -> list[Row]:
    """The rows of the data set, protocol and attack asked for."""
    found = rows
    for column in ("dataset", "protocol", "attack"):
        asked = getattr(options, column)
        if asked in (None, "all"):
            continue
        matching = [row for row in found if asked in _names(row, column)]
        if not matching:
            known = dict.fromkeys(row[column] for row in found)
            raise UsageError(f"--{column} is {asked!r}, which no row has; {nearest(asked, known)}")
        found = matching
    return found


def _names(row: Row, column: str) -> tuple[str, ...]:
    """What a row may be called by in a column: a protocol without its version, an attack with its steps."""
    name = row[column]
    return name, attack_text(row) if column == "attack" else name.partition("/")[0]


def _heads(grid: Grid) -> list[str]:
    return ["rank", "model", "clean", *(f"ε {text}" for text in eps_texts(grid.eps)), "mean"]


def _title(grid: Grid) -> str:
    about = f"{grid.dataset}, {norm_text(grid.norm)}, n = {grid.n}"
    return about if grid.protocol.startswith("sound/") else f"{about}, protocol {grid.protocol}"


def _about(grid: Grid) -> str:
    """The meaning of the numbers, in a sentence or two."""
    others = f" Also measured: ε {', '.join(eps_texts(grid.others))} (--eps)." if grid.others else ""
    return (
        "Accuracy in %, the lowest under any of these attacks: "
        f"{', '.join(grid.attacks)}. ± covers Wilson's 95 % interval. Ranks by the mean over ε; whether two models "
        f"differ significantly: bench compare.{others}"
    )


def _cells(line: GridLine, number: str) -> list[str]:
    """Rank and numbers; ``number`` is the text between a number and its interval."""
    shares = [line.clean, *line.robust]
    return [
        "–" if line.rank is None else str(line.rank),
        *("–" if share is None else _number(share, number) for share in shares),
        "–" if line.mean is None else f"{100 * line.mean:.1f}",
    ]


def _number(share: Share, between: str) -> str:
    return percent(share).replace("±", between)


def _terminal(grid: Grid) -> None:
    rows = []
    for line in grid.lines:
        rank, *numbers = _cells(line, "±")
        rows.append([rank, SIGNS[line.verdict], Name(line.model), *numbers])
    heads = ["#", "", *_heads(grid)[1:]]
    print_table(_title(grid), heads, rows, f"{_about(grid)} {LEGEND}.", left=("model",))


def _markdown(grid: Grid) -> None:
    heads = [*_heads(grid), "audit"]
    print(f"{_title(grid)}\n")
    print(f"| {' | '.join(heads)} |")
    print(f"|{'|'.join('---' if head in ('model', 'audit') else '--:' for head in heads)}|")
    for line in grid.lines:
        rank, *numbers = _cells(line, " ± ")
        model = line.model.replace("|", "\\|")
        print(f"| {' | '.join([rank, f'`{model}`', *numbers, SIGNS[line.verdict]])} |")
    print(f"\n{_about(grid)} {LEGEND}.\n")


def _latex(grid: Grid) -> None:
    heads = ["", "model", "clean", *(rf"$\varepsilon={text}$" for text in eps_texts(grid.eps)), "mean"]
    print(f"% {_title(grid)}\n\\begin{{tabular}}{{rl{'r' * (len(heads) - 2)}}}\n\\toprule")
    print(" & ".join(heads) + r" \\ \midrule")
    for line in grid.lines:
        rank, *numbers = _cells(line, r" \pm ")
        model = rf"\texttt{{{line.model.translate(_LATEX)}}}"
        print(" & ".join([rank, model, *(_math(number) for number in numbers)]) + r" \\")
    print(f"\\bottomrule\n\\end{{tabular}}\n% {_about(grid)}")


def _math(number: str) -> str:
    return "--" if number == "–" else f"${number}$"
