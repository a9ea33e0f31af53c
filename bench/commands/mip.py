"""``bench mip``: how many random pixel values can be removed before the class changes."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.commands.places import check_directory
from bench.commands.running import exit_code, rows_only, running, show_plan
from bench.engine.store import DirectoryStore, Store
from bench.studies.mip.evaluation import mip_history, most_seconds, prepare_mip, run_mip
from bench.studies.mip.results import Interval, MipResult, MipResults
from bench.studies.shared.options import check_numbers, model_ask
from bench.studies.shared.pages import draw_newest
from bench.studies.shared.screen import say

CAPTION = (
    "Share of pixel values removed before the first misclassification, over images that are right when whole. "
    "The removal is random and not adversarial: it says nothing about the worst case."
)


def execute(options: Namespace) -> int:
    """Removes, then prints the table and draws the page; 1 if cells failed."""
    check_numbers(options)
    pages = Path(options.reports)
    if not options.dry_run:
        check_directory(pages)
    workers = options.workers or os.cpu_count() or 1
    with rows_only():
        evaluation = prepare_mip(
            model_ask(options), draws=options.draws, grid=options.grid, fill=options.fill
        )
    if options.dry_run:
        return show_plan(options, evaluation.lanes, partial(most_seconds, evaluation), workers)
    store = DirectoryStore(Path(options.store))
    with running(evaluation.loaded, evaluation.device, workers) as (executor, progress):
        results, failures = run_mip(evaluation, store, executor, progress)
    page = write_page(store, evaluation.setting.dataset, pages, results)
    if options.json:
        print(json.dumps([_row(results, model) for model in results.models], allow_nan=False))
    elif results.models:
        _print_table(results)
    say(f"page: {page}")
    return exit_code(failures)


def write_page(store: Store, dataset: str, directory: Path, results: MipResults | None = None) -> Path | None:
    """Draws the page of a data set's newest setting; ``None`` if there is none."""
    from bench.studies.mip.page import write_mip_page

    return draw_newest(mip_history(store, dataset), results, write_mip_page, directory)


def _row(results: MipResults, model: MipResult) -> dict[str, Any]:
    """One model as a JSON row; what is not defined is null."""
    setting, mean = results.setting, model.mean()
    lower, median, upper = model.quantiles()
    compared = {each.model: each for each in results.comparisons()}.get(model.info.name)
    row = {
        "model": model.info.name,
        "weights": model.info.weights,
        "trained_on": model.info.trained_on,
        "dataset": setting.dataset,
        "data": setting.data,
        "n": setting.n,
        "draws": setting.draws,
        "grid": setting.grid,
        "fill": setting.fill,
        "seed": setting.seed,
        "clean_wrong": model.wrong,
        "mip_mean": mean.value,
        "mip_lo": mean.lo,
        "mip_hi": mean.hi,
        "mip_lower_quartile": lower,
        "mip_median": median,
        "mip_upper_quartile": upper,
        "sd_over_images": model.spread_over_images,
        "sd_over_draws": model.spread_over_draws,
        "withstood_all": model.withstood_all,
        "reference": compared.reference if compared else None,
        "difference": compared.difference.value if compared else None,
        "difference_lo": compared.difference.lo if compared else None,
        "difference_hi": compared.difference.hi if compared else None,
        "digest": model.digest,
    }
    return {name: None if value != value else value for name, value in row.items()}


def _print_table(results: MipResults) -> None:
    setting = results.setting
    table = Table(
        title=f"{escape(setting.dataset)}: maximum invariant perturbation in % of pixel values, "
        f"fill {setting.fill}, {setting.draws} draws an image, n = {setting.n}",
        caption=CAPTION,
    )
    columns = ("model", "mean", "median", "quartiles", "sd images", "sd draws", "wrong", "less the first")
    for column in columns:
        table.add_column(column, justify="left" if column == "model" else "right", overflow="fold")
    compared = {each.model: each for each in results.comparisons()}
    for model in results.models:
        lower, median, upper = model.quantiles()
        other = compared.get(model.info.name)
        table.add_row(
            escape(model.info.name),
            _interval(model.mean()),
            _percent(median),
            f"{_percent(lower)} – {_percent(upper)}",
            _percent(model.spread_over_images),
            _percent(model.spread_over_draws),
            str(model.wrong),
            _interval(other.difference) if other else "",
        )
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _percent(value: float) -> str:
    return "–" if value != value else f"{100 * value:.1f}"


def _interval(of: Interval) -> str:
    return f"{_percent(of.value)} [{_percent(of.lo)}, {_percent(of.hi)}]"
