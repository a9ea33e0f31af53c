"""The table of CLEVER scores."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.studies.clever.results import CleverResults
from bench.studies.clever.rows import clever_rows


def clever_table(results: CleverResults) -> None:
    """Prints the models, the largest median score first."""
    setting, options = results.setting, results.setting.options
    table = Table(
        title=f"{escape(setting.dataset)}: CLEVER ({options.engine}, {options.norm}, radius {options.radius:g}), "
        f"n = {setting.n}",
        caption="Median with 95 % bootstrap interval. CLEVER estimates a lower bound on the smallest "
        "perturbation that changes the decision; it certifies nothing.",
    )
    for column in (
        "model",
        "median",
        "mean",
        "attack",
        "above attack",
        "censored",
        "fallback",
        "wrong",
        "flags",
    ):
        table.add_column(column, justify="left" if column in ("model", "flags") else "right", overflow="fold")
    for row, model in sorted(
        zip(clever_rows(results), results.models, strict=True), key=lambda pair: -pair[0]["clever_median"]
    ):
        distance = row["attack_median"]
        table.add_row(
            escape(row["model"]),
            f"{row['clever_median']:.4f} [{row['clever_lo']:.4f}, {row['clever_hi']:.4f}]",
            f"{row['clever_mean']:.4f}",
            "–" if distance is None else f"{distance:.4f}",
            *(f"{100 * row[f'clever_{name}']:.0f} %" for name in ("above_attack", "censored", "fallback")),
            str(setting.n - row["clean_right"]),
            ", ".join(name.replace("_", " ") for name in model.raised()),
        )
    Console(width=None if sys.stdout.isatty() else 160).print(table)
