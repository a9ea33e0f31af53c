"""The text of ``bench --help``: commands by purpose, each with an example."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping

WIDTH = 80
GROUPS: dict[str, tuple[str, ...]] = {
    "start": ("init",),
    "measure": (
        *("run", "spatial", "clever", "certify", "detect", "invariance"),
        *("theory", "mip", "tradeoff", "reproduce"),
    ),
    "judge": ("audit", "leaderboard", "compare", "check"),
    "maintain": ("train", "list", "report", "figure", "export", "store", "doctor"),
}
EXAMPLES: dict[str, str] = {
    "init": "bench init",
    "run": "bench run --model baseline_cnn,my_model.py:small --attacks fgsm,pgd --eps 2/255,8/255",
    "spatial": "bench spatial --model all --rotate 30,180",
    "clever": "bench clever --model baseline_cnn --norm l2 --n 20",
    "certify": "bench certify --model baseline_cnn --n 20",
    "detect": "bench detect --model baseline_cnn,baseline_cnn.pgd_at",
    "invariance": "bench invariance --model baseline_cnn,baseline_cnn.pgd_at",
    "theory": "bench theory --model all",
    "mip": "bench mip --model all",
    "tradeoff": "bench tradeoff --model baseline_cnn,equivariant_gcnn",
    "reproduce": "bench reproduce --table 2",
    "audit": "bench audit --model my_model.py:small --audit full",
    "leaderboard": "bench leaderboard --dataset digits --markdown",
    "compare": "bench compare baseline_cnn equivariant_gcnn",
    "check": "bench check --model my_model.py:small --against leaderboard.csv --tolerance 0.01",
    "train": "bench train baseline_cnn --dataset cifar10 --download",
    "list": "bench list attacks",
    "report": "bench report --dataset digits",
    "figure": "bench figure --kind curves --model baseline_cnn,baseline_cnn.pgd_at --out curves.pdf",
    "export": "bench export images.csv --model baseline_cnn",
    "store": "bench store info",
    "doctor": "bench doctor --like leaderboard.csv",
}


def overview(commands: Mapping[str, str], plugins: Iterable[str]) -> str:
    """The commands by group, each with its purpose, then those of installed packages."""
    lines: list[str] = []
    for group, names in GROUPS.items():
        lines += [f"{group}:", *(_line(name, commands[name]) for name in names if name in commands), ""]
    if found := list(plugins):
        lines += ["of installed packages:", *(f"  {name}" for name in found), ""]
    return "\n".join([*lines, "bench COMMAND --help lists the options of a command, with an example."])


def _line(name: str, summary: str) -> str:
    return textwrap.fill(f"  {name:<12} {summary}", WIDTH, subsequent_indent=" " * 15)


def usage(study: str) -> str:
    """The usage line of a study, without its many options."""
    return f"bench {study} [FILE.toml] [options]" if study == "run" else f"bench {study} [options]"


def example(command: str) -> str:
    """The example at the end of a command's help."""
    return f"example:\n  {EXAMPLES[command]}"
