"""Accuracies on a corrupted data set by corruption, as an HTML page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.groups import GroupTable, by_group
from bench.report.format import attack_names, eps_texts, slug
from bench.report.page import environment, save
from bench.results import ModelResult, Results
from zoo.grouped import Groups

INTERVALS = (
    "Each base image is here under every corruption and severity, so images are no independent draws: "
    "intervals and ranks that count images are too sure here."
)


@dataclass(frozen=True, slots=True, eq=False)
class GroupRow:
    """One model: a table without attack, then one of the worst case at each ε."""

    name: str
    tables: tuple[GroupTable, ...]


def write_groups_page(results: Results, groups: Groups, directory: Path) -> Path | None:
    """Writes ``<directory>/<data set>-corruptions.html``, whole or not at all.

    Args:
        results: of one setting on the corrupted images.
        groups: which image is which.
        directory: where the page goes; made if absent.

    Returns:
        The path of the page; ``None`` where nothing was measured on a whole base image.

    Raises:
        UsageError: the directory cannot be written.
    """
    rows = group_rows(results, groups)
    if not rows:
        return None
    page = directory / f"{slug(results.setting.dataset)}-corruptions.html"
    html = (
        environment()
        .get_template("groups.html.j2")
        .render(
            results=results,
            setting=results.setting,
            groups=groups,
            rows=rows,
            images=rows[0].tables[0].images,
            columns=("clean", *(f"ε = {text}" for text in eps_texts(results.setting.eps))),
            attacks=list(attack_names(results).values()),
            intervals=INTERVALS,
        )
    )
    save(page, html, {})
    return page


def group_rows(results: Results, groups: Groups) -> list[GroupRow]:
    """One row a model; none where not even one base image was measured under everything."""
    if results.setting.n < groups.block:
        return []
    return [_row(model, groups) for model in results.models]


def _row(model: ModelResult, groups: Groups) -> GroupRow:
    worst = model.worst() if model.curves else ()
    outcomes = (model.clean.correct, *worst)
    return GroupRow(model.info.name, tuple(by_group(outcome, groups) for outcome in outcomes))
