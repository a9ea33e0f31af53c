"""``bench spatial``: accuracy under rotations and translations."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.commands.places import writable_places
from bench.commands.running import exit_code, rows_only, running, show_plan
from bench.engine.store import DirectoryStore, Store
from bench.leaderboard import file as leaderboard
from bench.numbers.stats import Share
from bench.studies.shared.options import check_numbers, model_ask
from bench.studies.shared.pages import draw_newest
from bench.studies.shared.screen import say
from bench.studies.spatial.evaluation import most_seconds, prepare_spatial, run_spatial, spatial_history
from bench.studies.spatial.results import SpatialResult, SpatialResults
from bench.studies.spatial.rows import json_rows, spatial_rows
from bench.studies.spatial.setting import Options, parse_grid, parse_levels

CAPTION = (
    "±: random angles in degrees or shifts in % of the side, mean over images and draws; grid: right at every point of "
    "it. No ball of ε contains these transformations, so no ε-accuracy compares with them."
)


def execute(options: Namespace) -> int:
    """Turns and shifts, then writes leaderboard, figures and page; 1 if cells failed."""
    check_numbers(options)
    chosen = _chosen(options)
    table, pages = writable_places(options)
    workers = options.workers or os.cpu_count() or 1
    with rows_only():
        evaluation = prepare_spatial(model_ask(options), chosen)
    if options.dry_run:
        return show_plan(options, evaluation.lanes, partial(most_seconds, evaluation), workers)
    store = DirectoryStore(Path(options.store))
    with running(evaluation.loaded, evaluation.device, workers) as (executor, progress):
        results, failures = run_spatial(evaluation, store, executor, progress)
    rows = spatial_rows(results)
    leaderboard.merge(table, rows)
    page = write_page(store, evaluation.setting.dataset, pages, results)
    if options.json:
        print(json.dumps(json_rows(results), allow_nan=False))
    elif results.models:
        _print_table(results)
    say(f"leaderboard: {table} ({len(rows)} rows), page: {page}")
    return exit_code(failures)


def write_page(
    store: Store, dataset: str, directory: Path, results: SpatialResults | None = None
) -> Path | None:
    """Draws the page of a data set's newest setting; ``None`` if there is none."""
    from bench.studies.spatial.page import write_spatial_page

    return draw_newest(spatial_history(store, dataset), results, write_spatial_page, directory)


def _chosen(options: Namespace) -> Options:
    return Options(
        rotations=parse_levels(options.rotate, "--rotate"),
        translations=parse_levels(options.translate, "--translate"),
        draws=options.draws,
        grid=parse_grid(options.grid),
        turns=options.turns,
        interpolation=options.interpolation,
        fill=options.fill,
    )


def _print_table(results: SpatialResults) -> None:
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
