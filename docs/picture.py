"""Draws the picture of the README from the rows of a leaderboard: ``python docs/picture.py``.

The title states a finding, so the script tests it on the rows and stops where they do not support it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.leaderboard.columns import Row
from bench.leaderboard.file import read
from bench.pages.figures import as_files, figure_style
from bench.pages.style import CARD, INK, MUTED, PALETTE, family, recipe

ROOT = Path(__file__).parents[1]
TITLE = "Symmetric layers do not withstand attacks;\ntraining on attacks does"
GRID = tuple(k / 255 for k in (1, 2, 4, 8))
_TEXT = 15  # height of two lines of text, in percent of the axis
# recipe of training → colour, words beside its lines
GROUPS = {
    "pgd_at": (PALETTE[1], "trained on\nPGD examples"),
    "fgsm_mix": (PALETTE[6], "trained on\nFGSM examples"),
    "": (PALETTE[0], "with symmetric layers,\nno attacks in training"),
    "none": (INK, "without these layers,\nno attacks in training"),
}


@dataclass(frozen=True, slots=True)
class Point:
    """The lowest accuracy that any verified attack left at one ε, with its 95 % interval; fractions."""

    eps: float
    value: float
    lo: float
    hi: float


Curves = dict[str, list[Point]]


def curves(rows: Iterable[Row], dataset: str) -> tuple[int, Curves]:
    """Number of images, and a curve for each model from clean through the grid.

    Only models of the recipes in ``GROUPS`` that were measured at every ε on the largest n are taken, without replicas.
    """
    own = [row for row in rows if row["dataset"] == dataset and row["norm"] == "linf" and _plain(row)]
    n = max(row["n"] for row in own)
    found: Curves = {}
    for name in sorted(
        {row["model"] for row in own if "@" not in row["model"] and group(row["model"]) in GROUPS}
    ):
        mine = [row for row in own if row["model"] == name and row["n"] == n]
        at = [[row for row in mine if abs(row["eps"] - eps) < 1e-9] for eps in GRID]
        if all(at):
            lowest = [min(each, key=lambda row: row["robust_acc"]) for each in at]
            found[name] = [_clean(lowest[0]), *map(_attacked, lowest)]
    return n, found


def _plain(row: Row) -> bool:
    """Whether a row is a verified accuracy in a ball; CLEVER rows have none."""
    return row["protocol"].startswith("sound") and None not in (row["eps"], row["robust_acc"])


def _clean(row: Row) -> Point:
    return Point(0.0, row["clean_acc"], row["clean_lo"], row["clean_hi"])


def _attacked(row: Row) -> Point:
    return Point(row["eps"], row["robust_acc"], row["robust_lo"], row["robust_hi"])


def group(name: str) -> str:
    """The group of a model: its recipe, and whether it has symmetry where it was trained without attacks."""
    return "none" if family(name) == "baseline_cnn" and not recipe(name) else recipe(name)


def check(found: Curves) -> None:
    """Ends the script where the rows do not support the title.

    Raises:
        SystemExit: at the largest ε some network trained without attacks is not below every one trained on PGD.
    """
    last = {tag: [points[-1] for name, points in found.items() if group(name) == tag] for tag in GROUPS}
    plain, trained = last[""] + last["none"], last["pgd_at"]
    if not plain or not trained or max(p.hi for p in plain) >= min(p.lo for p in trained):
        raise SystemExit(f"the rows do not support the title {TITLE!r}: write another one")


def draw(found: Curves, subtitle: str) -> Figure:
    """The figure: one line a network, named by group beside its end."""
    figure = Figure(figsize=(5.6, 4.1), facecolor=CARD)
    figure.text(0.02, 0.98, TITLE, va="top", fontsize=12, weight="bold", linespacing=1.25)
    figure.text(0.02, 0.845, subtitle, va="top", fontsize=8, color=MUTED, linespacing=1.35)
    axes = figure.add_axes((0.105, 0.12, 0.55, 0.56))
    for name in sorted(found, key=lambda name: list(GROUPS).index(group(name))):
        _line(axes, found[name], GROUPS[group(name)][0])
    _label(axes, found)
    axes.set_xticks([0, *GRID], ["clean", *(f"{255 * eps:g}" for eps in GRID)])
    axes.set_xlim(0, GRID[-1])
    axes.set_ylim(0, 100)
    axes.set_xlabel("largest change of a pixel: ε · 255 (L∞)", fontsize=8.5, labelpad=3)
    axes.set_ylabel("images classified correctly, %", fontsize=8.5)
    axes.tick_params(labelsize=8.5)
    return figure


def _line(axes: Axes, points: Sequence[Point], colour: str) -> None:
    eps = [p.eps for p in points]
    axes.plot(eps, [100 * p.value for p in points], color=colour, linewidth=1.2, alpha=0.8, clip_on=False)
    axes.fill_between(
        eps, [100 * p.lo for p in points], [100 * p.hi for p in points], color=colour, alpha=0.06
    )


def _label(axes: Axes, found: Curves) -> None:
    """Words beside the ends of the lines, from the top, moved apart where they would overlap."""
    ends = {
        tag: [100 * points[-1].value for name, points in found.items() if group(name) == tag]
        for tag in GROUPS
    }
    free, room = 100.0, 2 + _TEXT * (sum(map(bool, ends.values())) - 1)  # height at most, and at least
    for tag in sorted((tag for tag in GROUPS if ends[tag]), key=lambda tag: -max(ends[tag])):
        lo, hi = min(ends[tag]), max(ends[tag])
        height = min(max((lo + hi) / 2, room), free)
        free, room = height - _TEXT, room - _TEXT
        share = f"{lo:.1f} %" if hi - lo < 0.05 else f"{lo:.1f} to {hi:.1f} %"
        text = f"{len(ends[tag])} {GROUPS[tag][1]}: {share}"
        axes.annotate(
            text, (GRID[-1], height), (6, 0), textcoords="offset points", va="center", fontsize=8.5,
            color=GROUPS[tag][0], annotation_clip=False,
        )  # fmt: skip


def main() -> None:
    """Reads the rows, tests the title and writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leaderboard", type=Path, default=ROOT / "leaderboard.csv")
    parser.add_argument("--dataset", default="cifar10", help="data set of the rows")
    parser.add_argument("--images", default="CIFAR-10", help="what they are called")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/images/finding.png")
    options = parser.parse_args()
    n, found = curves(read(options.leaderboard), options.dataset)
    check(found)
    with figure_style():
        text = (
            f"{options.images}: first {n:,} test images. Each line is a network:\n"
            "its lowest accuracy under FGSM and PGD of 20 steps;\nthe bands are 95 % intervals."
        )
        files = as_files(draw(found, text), options.out.stem)
    options.out.write_bytes(files[f"{options.out.stem}{options.out.suffix}"])


if __name__ == "__main__":
    main()
