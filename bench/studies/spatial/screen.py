"""The table of accuracy under rotations and translations."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.numbers.stats import Share
from bench.studies.spatial.results import SpatialResult, SpatialResults

CAPTION = (
    "±: random angles in degrees or shifts in % of the side, mean over images and draws; grid: right at every point of "
    "it. No ball of ε contains these transformations, so no ε-accuracy compares with them."
)


def print_table(results: SpatialResults) -> None:
    """Prints the models in their order."""
    setting = results.setting
    table = Table(
        title=f"{escape(setting.dataset)}: accuracy in %, {setting.interpolation}, fill {setting.fill}, "
        f"{setting.draws} draws an image, n = {setting.n}",
        caption=CAPTION,
    )
    table.add_column("model", overflow="fold")
    heads = ["clean", *(f"±{level:g}°" for level in setting.rotations)]
    heads += [f"±{100 * level:g} %" for level in setting.translations]
    if setting.grid:
        heads.append("grid")
    for head in heads:
        table.add_column(head, justify="right", overflow="fold")
    for model in results.models:
        table.add_row(escape(model.info.name), *map(_text, _shares(model)))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _shares(model: SpatialResult) -> list[Share]:
    outcomes = (*model.rotations.values(), *model.translations.values())
    worst = [model.grid.accuracy] if model.grid else []
    return [model.clean_accuracy, *(outcome.accuracy for outcome in outcomes), *worst]


def _text(share: Share) -> str:
    return f"{100 * share.value:.1f} [{100 * share.lo:.1f}, {100 * share.hi:.1f}]"
